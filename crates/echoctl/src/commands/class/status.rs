//! The line in the teacher's terminal.

use echoctl_record::{Bytes, ClassState, count};

/// The figures of a moment in at most `columns`: the least important ones are left out.
pub(super) fn status_line(state: &ClassState, columns: usize) -> String {
    let memory = |name: &str, bytes: Option<u64>| bytes.map(|bytes| format!("{name} {}", Bytes(bytes)));
    let figures = [
        Some(if state.is_paused { format!("{} (paused)", state.policy) } else { state.policy.clone() }),
        Some(count(state.connections as u64, "connection")),
        Some(format!("{} not reading", state.stalled)),
        Some(format!("in the server {}", Bytes(state.point.buffered))),
        memory("memory", state.point.memory),
        memory("kernels", state.point.kernel_memory),
    ];
    let mut line = String::new();
    for figure in figures.into_iter().flatten() {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + figure.chars().count() > columns {
            break;
        }
        line = line + gap + &figure;
    }
    line
}

#[cfg(test)]
mod tests {
    use echoctl_record::ClassPoint;

    use super::*;

    #[test]
    fn a_narrow_line_has_whole_figures() {
        let state = ClassState {
            policy: "off".to_owned(),
            connections: 30,
            stalled: 3,
            point: ClassPoint { buffered: 120 << 20, memory: Some(140 << 20), ..ClassPoint::default() },
            ..ClassState::default()
        };

        assert_eq!(
            status_line(&state, 80),
            "off  30 connections  3 not reading  in the server 120 MiB  memory 140 MiB"
        );
        assert_eq!(status_line(&state, 40), "off  30 connections  3 not reading");
    }
}

//! What a map says about backpressure, in one sentence.

use echoctl_record::{Begins, Pressure, PressureHop, PressureRole, ProcessMap, Rate, Seconds};

/// The sentence for a map without pressure.
pub const NO_PRESSURE: &str = "No process is held back.";

/// The processes that a map of the host leaves out, whose connections buffer nothing; `None` if there is none.
pub(super) fn idle(map: &ProcessMap) -> Option<String> {
    match map.idle {
        0 => None,
        1 => Some("1 idle process, connected with none of these".to_owned()),
        idle => Some(format!("{idle} idle processes, connected with none of these")),
    }
}

/// Where pressure begins, who passes it on, and who absorbs it.
pub fn pressure_sentence(map: &ProcessMap, pressure: &Pressure) -> String {
    let mut parts = vec![beginning(map, pressure)];
    let is_circle = pressure.begins == Begins::WaitForEachOther;
    let passing: Vec<&PressureHop> = pressure
        .hops
        .iter()
        .filter(|hop| hop.role == PressureRole::PassesOn)
        .filter(|hop| !(is_circle && pressure.readers.contains(&hop.process)))
        .collect();
    let ends: Vec<&PressureHop> =
        pressure.hops.iter().filter(|hop| hop.role != PressureRole::PassesOn).collect();
    if !passing.is_empty() {
        let verb = if passing.len() == 1 { "passes" } else { "pass" };
        parts.push(format!("{} {verb} pressure on", list(passing.iter().map(|hop| hop_name(map, hop)))));
    }
    parts.extend(ends.iter().map(|hop| end(map, hop, !passing.is_empty())));
    if ends.is_empty() && !is_circle {
        parts.push("the queues before it have room yet".to_owned());
    }
    let waits = ends.iter().filter(|hop| hop.role == PressureRole::Waits).count();
    if !passing.is_empty() && waits > 0 && waits == ends.len() {
        parts.push("no process absorbs it".to_owned());
    }
    parts.join("; ") + "."
}

/// The readers and what they do.
fn beginning(map: &ProcessMap, pressure: &Pressure) -> String {
    let names = pressure.readers.iter().map(|&node| name(map, node));
    let verb = pressure.begins.verb(pressure.readers.len() > 1);
    let rate = pressure.rate.filter(|_| pressure.begins == Begins::ReadsSlowly);
    let seconds = pressure.seconds.filter(|_| rate.is_none());
    let figure = rate.map(|rate| Rate(rate).to_string()).or(seconds.map(|time| Seconds(time).to_string()));
    format!("{} {verb}{}", list(names), figure.map_or(String::new(), |figure| format!(" ({figure})")))
}

/// A process at which pressure ends.
fn end(map: &ProcessMap, hop: &PressureHop, has_passed: bool) -> String {
    let name = hop_name(map, hop);
    match hop.role {
        PressureRole::PassesOn => format!("{name} passes pressure on"),
        PressureRole::Absorbs { growth } => {
            format!("{name} absorbs it: its memory grows by {}", Rate(growth))
        }
        PressureRole::AbsorbsToDisk { rate } => {
            format!("{name} absorbs it: it writes {} to disk", Rate(rate))
        }
        PressureRole::Discards => {
            format!("{name} reads on while its memory is steady: it discards what it reads")
        }
        PressureRole::ServesOthers => {
            format!("{name} reads on while its memory is steady: its other connections flow")
        }
        PressureRole::ReadsOn if is_new(map, hop) => {
            format!("{name} reads on; what becomes of the bytes is not known yet")
        }
        PressureRole::ReadsOn => {
            format!("{name} reads on; too little is known to tell what becomes of the bytes")
        }
        PressureRole::Waits if has_passed => format!("it reaches {name}, which waits"),
        PressureRole::Waits => {
            format!("{name} waits, and has no input: it holds the data or makes it on demand")
        }
        PressureRole::NotVisible => {
            format!("it reaches {name}, whose other connections are not visible here")
        }
    }
}

/// Whether its memory has not been known for long enough to say more.
fn is_new(map: &ProcessMap, hop: &PressureHop) -> bool {
    let seconds = map.processes.get(hop.process).and_then(|node| node.growth_seconds);
    seconds.is_some_and(|seconds| seconds < NEW_FOR)
}

/// A process, with the number of its connections that are held back if it has several.
fn hop_name(map: &ProcessMap, hop: &PressureHop) -> String {
    match hop.connections {
        0 | 1 => name(map, hop.process),
        all => format!("{} on {} of {all} connections", name(map, hop.process), hop.held_back),
    }
}

/// The name of a node.
pub(super) fn name(map: &ProcessMap, node: usize) -> String {
    map.processes.get(node).map_or(String::new(), |node| node.to_string())
}

/// "a", "a and b", "a, b and 3 more".
fn list(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] if names.len() <= MAX_NAMES => format!("{} and {last}", some.join(", ")),
        all => format!("{} and {} more", all[..MAX_NAMES - 1].join(", "), all.len() + 1 - MAX_NAMES),
    }
}

/// Seconds for which a process is new: as long as the rules may wait for its memory.
const NEW_FOR: f64 = 5.0;

/// Number of names in a list: more are counted.
const MAX_NAMES: usize = 4;

#[cfg(test)]
mod tests {
    use echoctl_record::{NodeKind, ProcessNode};

    use super::*;

    fn map() -> ProcessMap {
        let node = |(at, name): (usize, &&str)| ProcessNode {
            name: (*name).to_owned(),
            pids: vec![at as u32 + 1],
            ..ProcessNode::default()
        };
        let names = ["curl", "nginx", "api", "db", "w", "x", "y"];
        ProcessMap { processes: names.iter().enumerate().map(node).collect(), ..ProcessMap::default() }
    }

    fn said(begins: Begins, readers: &[usize], hops: &[(usize, PressureRole, u32)]) -> String {
        let hop = |&(process, role, connections): &(usize, PressureRole, u32)| PressureHop {
            process,
            waits_for: 0,
            role,
            held_back: 1,
            connections,
        };
        let pressure = Pressure {
            begins,
            readers: readers.to_vec(),
            rate: Some(10_240.0),
            seconds: Some(12.0),
            hops: hops.iter().map(hop).collect(),
        };
        pressure_sentence(&map(), &pressure)
    }

    use Begins::{DoesNotRead, ReadsSlowly, WaitForEachOther};
    use PressureRole::{Absorbs, AbsorbsToDisk, Discards, NotVisible, PassesOn, ServesOthers, Waits};

    #[test]
    fn the_absorber_is_named_with_its_growth() {
        let absorbs = Absorbs { growth: 19.0 * 1024.0 * 1024.0 };

        assert_eq!(
            said(DoesNotRead, &[0], &[(1, PassesOn, 1), (2, absorbs, 1)]),
            "curl (1) does not read (12.0 s); nginx (2) passes pressure on; api (3) absorbs it: its memory grows by 19 MiB/s."
        );
        assert_eq!(
            said(ReadsSlowly, &[0], &[(1, AbsorbsToDisk { rate: 1024.0 * 1024.0 }, 8)]),
            "curl (1) reads slowly (10 KiB/s); nginx (2) on 1 of 8 connections absorbs it: it writes 1 MiB/s to disk."
        );
    }

    #[test]
    fn pressure_that_no_process_absorbs_reaches_the_producer() {
        assert_eq!(
            said(DoesNotRead, &[0, 4], &[(1, PassesOn, 1), (2, PassesOn, 1), (3, Waits, 1)]),
            "curl (1) and w (5) do not read (12.0 s); nginx (2) and api (3) pass pressure on; it reaches db (4), which waits; \
             no process absorbs it."
        );
        assert_eq!(
            said(DoesNotRead, &[0], &[(1, Waits, 1)]),
            "curl (1) does not read (12.0 s); nginx (2) waits, and has no input: it holds the data or makes it on demand."
        );
        assert_eq!(
            said(DoesNotRead, &[0], &[(1, PassesOn, 1)]),
            "curl (1) does not read (12.0 s); nginx (2) passes pressure on; the queues before it have room yet."
        );
    }

    #[test]
    fn other_ends_are_described() {
        assert_eq!(
            said(DoesNotRead, &[0, 3, 4, 5, 6], &[(1, Discards, 1), (2, ServesOthers, 50)]),
            "curl (1), db (4), w (5) and 2 more do not read (12.0 s); nginx (2) reads on while its memory is steady: it \
             discards what it reads; api (3) on 1 of 50 connections reads on while its memory is steady: its other \
             connections flow."
        );
        assert_eq!(
            said(WaitForEachOther, &[0, 1], &[(0, PassesOn, 1), (1, PassesOn, 1)]),
            "curl (1) and nginx (2) wait for each other (12.0 s)."
        );
    }

    #[test]
    fn an_end_that_is_not_visible_is_said() {
        let mut map = map();
        map.processes[1] =
            ProcessNode { kind: NodeKind::OtherUser, name: "www".into(), ..ProcessNode::default() };
        let hop = PressureHop { process: 1, waits_for: 0, role: NotVisible, held_back: 1, connections: 1 };
        let pressure =
            Pressure { begins: DoesNotRead, readers: vec![0], rate: None, seconds: None, hops: vec![hop] };

        assert_eq!(
            pressure_sentence(&map, &pressure),
            "curl (1) does not read; it reaches a process of user www, whose other connections are not visible here."
        );
    }
}

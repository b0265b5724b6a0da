//! A class in the charts of its recording: the span of each policy.

use echoctl_record::{ClassLog, Mark, Run};

use crate::{Chart, Phase};

/// The chart with the policies of a class as its phases, if the run was one; else unchanged.
pub fn with_policies(chart: Chart, run: &Run) -> Chart {
    match &run.class {
        Some(class) => {
            let until = chart.until.or(class.states.last().map(|state| state.point.t)).unwrap_or(0.0);
            Chart { phases: policies(class, until), ..chart }
        }
        None => chart,
    }
}

/// The span of each policy; those without backpressure are shaded. None where the policy was changed too often for names.
fn policies(class: &ClassLog, until: f64) -> Vec<Phase> {
    let switches: Vec<&Mark> = class.marks.iter().filter(|mark| is_switch(class, mark)).collect();
    if switches.len() > MAX_PHASES {
        return Vec::new();
    }
    let ends = switches.iter().skip(1).map(|mark| mark.t).chain([until]);
    let phase = |(mark, to): (&&Mark, f64)| Phase {
        from: mark.t,
        to,
        label: mark.label.clone(),
        is_shaded: mark.label == UNLIMITED,
    };
    switches.iter().zip(ends).map(phase).filter(|phase| phase.to > phase.from).collect()
}

/// Whether a mark is a change of the policy, such as "off" or "bounded, 1 MiB".
fn is_switch(class: &ClassLog, mark: &Mark) -> bool {
    let name = mark.label.split(',').next().unwrap_or_default();
    class.states.first().is_some_and(|state| state.policies.iter().any(|policy| policy.name == name))
}

/// The policy without backpressure.
const UNLIMITED: &str = "off";

/// With more phases than this there is no room for their names.
const MAX_PHASES: usize = 12;

#[cfg(test)]
mod tests {
    use echoctl_record::{ClassState, Machine, PolicyChoice};

    use super::*;

    #[test]
    fn each_policy_is_a_phase_until_the_next_one() {
        let mark = |t: f64, label: &str| Mark { t, label: label.to_owned() };
        let choice = |name: &str| PolicyChoice { name: name.to_owned(), queue_limit: None };
        let policies = vec![choice("off"), choice("bounded")];
        let class = ClassLog {
            marks: vec![mark(0.0, "off"), mark(2.0, "paused"), mark(5.0, "bounded, 1 MiB"), mark(7.5, "off")],
            states: vec![ClassState { policies, ..ClassState::default() }],
        };
        let mut run = Run::new("0", Vec::new(), 1, String::new(), Machine::default());
        let chart = Chart { until: Some(9.0), ..Chart::default() };
        assert_eq!(with_policies(chart.clone(), &run), chart);
        run.class = Some(class);

        let phases = with_policies(chart, &run).phases;

        let spans: Vec<_> = phases.iter().map(|p| (p.from, p.to, p.label.as_str(), p.is_shaded)).collect();
        assert_eq!(
            spans,
            [(0.0, 5.0, "off", true), (5.0, 7.5, "bounded, 1 MiB", false), (7.5, 9.0, "off", true)]
        );
    }
}

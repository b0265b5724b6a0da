//! What a whole watch of the map has shown: the processes that absorbed backpressure at any time.

use echoctl_record::{Pressure, PressureRole, ProcessMap};
use serde::Serialize;

/// The result of a watch.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct MapSummary {
    /// How long it took.
    pub(super) seconds: f64,
    /// Seconds in which any process was held back.
    pub(super) held_back_seconds: f64,
    /// The processes that absorbed, those with the fastest growth first.
    pub(super) absorbers: Vec<Absorber>,
}

/// A process that absorbed backpressure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Absorber {
    /// Its name, with a pid.
    pub(super) process: String,
    /// Its processes.
    pub(super) pids: Vec<u32>,
    /// How long it absorbed.
    pub(super) seconds: f64,
    /// The fastest growth of its memory, or of what it wrote to disk, in bytes per second.
    pub(super) growth: f64,
    /// Whether that was on disk.
    pub(super) on_disk: bool,
}

impl MapSummary {
    /// Adds a map, which is for the time since the last one.
    pub(super) fn add(&mut self, map: &ProcessMap, pressures: &[Pressure]) {
        let seconds = (map.t - self.seconds).max(0.0);
        self.seconds = map.t;
        if !pressures.is_empty() {
            self.held_back_seconds += seconds;
        }
        let mut known: Vec<usize> = Vec::new();
        for hop in pressures.iter().flat_map(|pressure| &pressure.hops) {
            let (growth, on_disk) = match hop.role {
                PressureRole::Absorbs { growth } => (growth, false),
                PressureRole::AbsorbsToDisk { rate } => (rate, true),
                _ => continue,
            };
            // A process may be held back by several readers.
            if let Some(node) = map.processes.get(hop.process).filter(|_| !known.contains(&hop.process)) {
                known.push(hop.process);
                self.add_absorber(Absorber {
                    process: node.to_string(),
                    pids: node.pids.clone(),
                    seconds,
                    growth,
                    on_disk,
                });
            }
        }
        self.absorbers.sort_by(|one, other| other.growth.total_cmp(&one.growth));
    }

    fn add_absorber(&mut self, new: Absorber) {
        let is_same = |known: &&mut Absorber| {
            known.on_disk == new.on_disk && known.pids.iter().any(|pid| new.pids.contains(pid))
        };
        let has_room = self.absorbers.len() < MAX_ABSORBERS;
        match self.absorbers.iter_mut().find(is_same) {
            Some(known) => {
                known.seconds += new.seconds;
                known.growth = known.growth.max(new.growth);
                (known.process, known.pids) = (new.process, new.pids);
            }
            None if has_room => self.absorbers.push(new),
            None => {}
        }
    }
}

/// Number of absorbers that are retained: a host with more has another problem.
const MAX_ABSORBERS: usize = 100;

#[cfg(test)]
mod tests {
    use echoctl_record::{Begins, PressureHop, ProcessNode};

    use super::*;

    fn map(t: f64) -> ProcessMap {
        let node = |pid: u32| ProcessNode { name: "api".into(), pids: vec![pid], ..ProcessNode::default() };
        ProcessMap { t, processes: vec![node(1), node(2)], ..ProcessMap::default() }
    }

    fn pressure(role: PressureRole) -> Pressure {
        let hop = PressureHop { process: 1, waits_for: 0, role, held_back: 1, connections: 1 };
        Pressure { begins: Begins::DoesNotRead, readers: vec![0], rate: None, seconds: None, hops: vec![hop] }
    }

    #[test]
    fn an_absorber_is_remembered_when_it_has_ended() {
        let mut summary = MapSummary::default();
        let absorbs = |growth| pressure(PressureRole::Absorbs { growth });

        summary.add(&map(1.0), &[]);
        summary.add(&map(1.5), &[absorbs(100.0), absorbs(100.0)]);
        summary.add(&map(2.0), &[absorbs(300.0)]);
        summary.add(&map(2.5), &[absorbs(200.0)]);
        summary.add(&map(4.0), &[pressure(PressureRole::Waits)]);

        assert_eq!((summary.seconds, summary.held_back_seconds), (4.0, 3.0));
        let [one] = &summary.absorbers[..] else { panic!("not one absorber: {summary:?}") };
        assert_eq!(
            (one.process.as_str(), one.seconds, one.growth, one.on_disk),
            ("api (2)", 1.5, 300.0, false)
        );
    }
}

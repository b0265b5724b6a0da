//! How far backpressure reaches among the processes of a host, and which process absorbs it.
//!
//! ```text
//! curl ◄─ full ── nginx ◄─ full ── api ◄─ flows ── database
//! does not read   passes on        absorbs: its memory grows
//! ```
//!
//! Pressure begins at a reader whose own output is not held back. From there it travels against the flow, over every connection whose
//! writer is held back, and ends at the processes whose input is not held back: see `role`. Processes that all wait
//! for each other have no such reader; they are the beginning together.

mod held_back;
mod role;

use std::collections::{BTreeMap, BTreeSet};

use echoctl_record::{Begins, Pressure, PressureHop, PressureRole, ProcessMap};

use held_back::HeldBack;
use role::role;

/// All pressure in a map, that which an absorber suffers first, then by how many processes it reaches. Readers from which it
/// reaches the same processes are one.
pub fn pressure(map: &ProcessMap) -> Vec<Pressure> {
    let held_back = HeldBack::of(map);
    let mut by_hops: Vec<Pressure> = Vec::new();
    for readers in held_back.beginnings() {
        let found = follow(map, &held_back, readers);
        let is_same =
            |known: &&mut Pressure| known.begins == found.begins && is_alike(&known.hops, &found.hops);
        match by_hops.iter_mut().find(is_same) {
            Some(known) => join(known, found),
            None => by_hops.push(found),
        }
    }
    by_hops.sort_by_key(|pressure| {
        let absorbs = pressure.hops.iter().any(|hop| hop.role.is_absorber());
        (!absorbs, std::cmp::Reverse(pressure.hops.len()))
    });
    by_hops
}

/// The pressure that begins at these nodes.
fn follow(map: &ProcessMap, held_back: &HeldBack, readers: BTreeSet<usize>) -> Pressure {
    let is_circle = readers.len() > 1;
    let mut hops = Vec::new();
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = readers.iter().copied().collect();
    while !next.is_empty() {
        let mut writers = BTreeMap::new();
        for reader in std::mem::take(&mut next) {
            for connections in held_back.to(reader) {
                // In a circle, everyone is a writer, too.
                let is_new = (is_circle || !readers.contains(&connections.writer))
                    && reached.insert(connections.writer);
                if is_new {
                    writers.insert(connections.writer, (reader, connections));
                }
            }
        }
        for (writer, (reader, connections)) in writers {
            let role = role(map, writer);
            if role == PressureRole::PassesOn {
                next.push(writer);
            }
            hops.push(PressureHop {
                process: writer,
                waits_for: reader,
                role,
                held_back: connections.held_back,
                connections: connections.connections,
            });
        }
    }
    let ends = readers.iter().flat_map(|&reader| held_back.to(reader));
    Pressure {
        begins: begins(map, held_back, &readers),
        rate: ends.clone().filter_map(|one| one.rate).reduce(|one, other| one + other),
        seconds: ends.filter_map(|one| one.stalled_seconds).reduce(f64::max),
        readers: readers.into_iter().collect(),
        hops,
    }
}

/// What the readers do at which pressure begins.
fn begins(map: &ProcessMap, held_back: &HeldBack, readers: &BTreeSet<usize>) -> Begins {
    let &[reader] = readers.iter().copied().collect::<Vec<_>>().as_slice() else {
        return Begins::WaitForEachOther;
    };
    let all = || held_back.to(reader);
    if map.processes.get(reader).is_some_and(|node| node.is_suspended) {
        Begins::IsSuspended
    } else if all().all(|one| one.unanswered == one.held_back) {
        Begins::DoesNotAnswer
    } else if all().any(|one| one.rate.is_some_and(|rate| rate > 0.0)) {
        Begins::ReadsSlowly
    } else if all().all(|one| one.in_accept_queue >= one.held_back) {
        Begins::DoesNotAccept
    } else {
        Begins::DoesNotRead
    }
}

/// Whether the same processes are held back, in the same roles.
fn is_alike(one: &[PressureHop], other: &[PressureHop]) -> bool {
    let key = |hops: &[PressureHop]| -> Vec<(usize, PressureRole)> {
        hops.iter().map(|hop| (hop.process, hop.role)).collect()
    };
    key(one) == key(other)
}

/// Adds the readers of `other`, which suffer the same processes.
fn join(known: &mut Pressure, other: Pressure) {
    known.readers.extend(other.readers);
    known.readers.sort_unstable();
    known.rate = known.rate.into_iter().chain(other.rate).reduce(|one, other| one + other);
    known.seconds = known.seconds.into_iter().chain(other.seconds).reduce(f64::max);
    for (hop, same) in known.hops.iter_mut().zip(other.hops) {
        // What waits for a reader waits for all of them.
        if hop.waits_for != same.waits_for {
            hop.held_back += same.held_back;
            hop.connections += same.connections;
        }
    }
}

#[cfg(test)]
mod tests;

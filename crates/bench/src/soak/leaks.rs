//! The rule of what counts as a leak: a pure function of the measured values.

use echoctl_verdict::trend::{Series, Trend};

use super::readings::{Readings, Round, mib};
use super::resources::Endings;
use super::world::Tally;

/// All findings, one sentence each; empty when the server is as it was before.
pub(super) fn findings(readings: &Readings, tally: &Tally, endings: &Endings, peers: usize) -> Vec<String> {
    let mut found = Vec::new();
    let wrong = tally.wrong.get();
    if wrong > 0 {
        let first = tally.first_wrongs.borrow().join("; ");
        found.push(format!("{wrong} lives failed: {first}"));
    }
    if let Some(panics) = endings.get("panicked") {
        found.push(format!("{panics} connections panicked"));
    }
    for (number, round) in readings.crowds().enumerate() {
        let most = round.crowded.most.connections;
        if most < peers as u64 / 2 {
            found.push(format!("crowd {number} was never complete: at most {most} connections"));
        }
    }
    if readings.crowds().all(|round| round.crowded.most.buffered == 0) {
        found.push("the crowds were too tame: the server never had to buffer a byte".to_owned());
    }
    found.extend(residue(readings));
    found
}

/// What a program without clients has in excess.
pub(super) fn residue(readings: &Readings) -> Vec<String> {
    let left = readings.crowds().enumerate();
    let left = left.filter_map(|(number, round)| {
        Some(format!("after crowd {number}: {}", left_behind(readings, round)?))
    });
    let (threads, before) = (readings.end().rest.threads, readings.fresh.threads);
    let threads = (threads != before).then(|| format!("{threads} threads at the end, {before} at the start"));
    left.chain(threads).chain(more_memory(readings)).chain(rising_memory(readings)).collect()
}

/// What a server without peers must not have.
fn left_behind(readings: &Readings, round: &Round) -> Option<String> {
    let (rest, before) = (&round.rest, readings.fresh.descriptors);
    if rest.descriptors != before {
        return Some(format!("{} file descriptors, {before} at the start", rest.descriptors));
    }
    let (connections, buffered) = (rest.connections, rest.buffered);
    (connections > 0 || buffered > 0)
        .then(|| format!("{connections} connections and {buffered} buffered bytes without any peer"))
}

fn more_memory(readings: &Readings) -> Option<String> {
    let (end, warm) = (readings.end().rest.memory, readings.warm.rest.memory);
    (end > warm + MOST_MEMORY).then(|| {
        format!(
            "{:.2} MiB of memory at the end, {:.2} after the first crowd: more than {} MiB above",
            mib(end),
            mib(warm),
            MOST_MEMORY >> 20
        )
    })
}

fn rising_memory(readings: &Readings) -> Option<String> {
    let (trend, growth) = memory_trend(readings)?;
    (trend.tau >= SURE && growth > MOST_GROWTH).then(|| {
        format!(
            "idle memory rises from crowd to crowd: by {:.1} bytes per life, {:.2} MiB in total (tau {:.2})",
            trend.slope,
            growth / 1_048_576.0,
            trend.tau
        )
    })
}

/// The trend of idle memory over the number of lives, and its bytes from the first tenth to the last.
pub(super) fn memory_trend(readings: &Readings) -> Option<(Trend, f64)> {
    let points: Vec<_> =
        readings.tenths.iter().map(|round| (round.opened as f64, round.rest.memory as f64)).collect();
    let trend = Series::new(points.iter().copied()).trend()?;
    Some((trend, trend.slope * (points.last()?.0 - points.first()?.0)))
}

/// Bytes by which memory at the end may exceed that after the first crowd. The allocator retains up to half a MiB of free memory, one
/// arena per thread, and the pages of small live objects; a thousand idle connections would be 1 MiB. Sixteen
/// leaked bytes for each of the quarter of a million lives of half an hour are 4 MiB.
const MOST_MEMORY: u64 = 4 << 20;

/// Bytes by which memory may rise from the first tenth to the last along its trend: what the allocator retains varies by
/// less. In half an hour of a thousand peers it is 4 bytes per life.
const MOST_GROWTH: f64 = 1_048_576.0;

/// Kendall's tau from which on memory is said to rise: chance reaches it in one soak of 120, and then mostly without the growth.
const SURE: f64 = 0.6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::resources::{Crowded, Resources};

    /// A soak of 100 peers with these KiB of memory more than after the first crowd.
    fn soaked(more_kib: [u64; 10]) -> Readings {
        let rest = Resources { memory: 2 << 20, descriptors: 12, threads: 4, ..Resources::default() };
        let present = Resources { connections: 95, buffered: 5000, ..rest };
        let round = |number: u64, more_kib: u64| Round {
            crowded: Crowded { median: present, most: present },
            rest: Resources { memory: rest.memory + 1024 * more_kib, ..rest },
            opened: 1000 * (number + 1),
            checked: 1,
        };
        Readings {
            fresh: Resources { memory: 1 << 20, ..rest },
            warm: round(0, 0),
            tenths: (1..).zip(more_kib).map(|(number, more)| round(number, more)).collect(),
        }
    }

    fn leaks(readings: &Readings) -> Vec<String> {
        findings(readings, &Tally::default(), &Endings::new(), 100)
    }

    fn finds(readings: &Readings, what: &str) {
        let found = leaks(readings);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(what), "{found:?}");
    }

    #[test]
    fn memory_that_varies_is_no_finding() {
        let none: Vec<String> = Vec::new();

        assert_eq!(leaks(&soaked([0; 10])), none);
        assert_eq!(leaks(&soaked([900, 4, 1400, 100, 3000, 0, 12, 800, 2500, 4])), none);
        assert_eq!(leaks(&soaked([0, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200, 1200])), none);
    }

    #[test]
    fn rising_memory_is_found_even_within_the_bound() {
        finds(&soaked([100, 350, 500, 800, 900, 1150, 1300, 1290, 1600, 1800]), "rises from crowd to crowd");
    }

    #[test]
    fn memory_above_the_bound_is_found_even_if_constant() {
        finds(&soaked([5000; 10]), "after the first crowd: more than 4 MiB above");
    }

    #[test]
    fn one_leaked_descriptor_connection_or_thread_is_found() {
        let steady = soaked([0; 10]);

        let mut readings = steady.clone();
        readings.tenths[4].rest.descriptors += 1;
        finds(&readings, "after crowd 5: 13 file descriptors, 12 at the start");

        let mut readings = steady.clone();
        readings.tenths[9].rest.connections = 1;
        finds(&readings, "1 connections");

        let mut readings = steady.clone();
        readings.tenths[9].rest.threads = 5;
        finds(&readings, "5 threads at the end, 4 at the start");
    }

    #[test]
    fn a_crowd_that_tests_nothing_is_found() {
        let mut readings = soaked([0; 10]);
        readings.tenths[0].crowded.most.connections = 49;
        finds(&readings, "crowd 1 was never complete");

        let mut readings = soaked([0; 10]);
        for round in readings.tenths.iter_mut().chain([&mut readings.warm]) {
            round.crowded.most.buffered = 0;
        }
        finds(&readings, "the crowds were too tame");
    }

    #[test]
    fn failed_lives_and_panics_are_found() {
        let tally = Tally::default();
        tally.record_failure("wrong bytes came back".to_owned());
        let endings = Endings::from([("eof".to_owned(), 9), ("panicked".to_owned(), 2)]);

        let found = findings(&soaked([0; 10]), &tally, &endings, 100);

        assert_eq!(found, ["1 lives failed: wrong bytes came back", "2 connections panicked"]);
    }
}

//! Synthetic runs, of which the distance of the clocks is known.

use proptest::prelude::*;

use super::*;
use crate::{ConnectionLogger, Machine, PingSummary, Queues, Summary, WatchSummary};

/// What a producer wrote: rates in bytes per second, each for a tenth of a second.
#[derive(Debug, Clone)]
struct Load(Vec<u64>);

impl Load {
    /// Bytes until `t` seconds.
    fn until(&self, t: f64) -> u64 {
        let parts =
            self.0.iter().enumerate().map(|(at, rate)| *rate as f64 * (t - at as f64 / 10.0).clamp(0.0, 0.1));
        parts.sum::<f64>() as u64
    }
}

/// A connection: what the client writes, and how many seconds later each place of the path has it.
#[derive(Debug, Clone)]
struct Synthetic {
    load: Load,
    delays: [f64; 5],
    port: u16,
}

impl Synthetic {
    /// The counter at this place of the path at `t`, on the client's axis.
    fn counter(&self, place: usize, t: f64) -> Option<u64> {
        Some(self.load.until(t - self.delays[..place].iter().sum::<f64>()))
    }

    /// What the client sees: its own counters, and what the server's kernel has acknowledged.
    fn at_client(&self, t: f64) -> PathCounters {
        let own = |place| self.counter(place, t);
        [own(0), self.counter(1, t - ACKNOWLEDGED), None, None, own(4), own(5)]
    }

    /// What the server sees.
    fn at_server(&self, t: f64) -> PathCounters {
        let own = |place| self.counter(place, t);
        [None, own(1), own(2), own(3), self.counter(4, t - ACKNOWLEDGED), None]
    }
}

fn end(host: u8, port: u16) -> SocketAddr {
    ([10, 0, 0, host], port).into()
}

/// The recording of a client, sampled every 50 ms.
fn client(connections: &[Synthetic]) -> Run {
    let mut run = Run::new("", vec![], START as u64, "server:7007".to_owned(), Machine::default());
    let mut logger = ConnectionLogger::default();
    for t in (0..100).map(|step| f64::from(step) / 20.0) {
        run.samples.push(Sample { t, connections: connections.len() as u32, ..Sample::default() });
        connections.iter().for_each(|one| logger.add(t, end(1, one.port), end(2, 7007), one.at_client(t)));
    }
    run.started_at = Some(START);
    run.connections = Some(logger.finish());
    run.ending = Some(Ending::Ping { ping: PingSummary::default() });
    run
}

/// The recording of a watch whose axis is `axis` seconds ahead of the client's, and its clock `clock` seconds.
fn server(connections: &[Synthetic], axis: f64, clock: f64) -> Run {
    let mut run = Run::new("", vec![], START as u64, "*:7007".to_owned(), Machine::default());
    let mut logger = ConnectionLogger::default();
    for t in (0..200).map(|step| f64::from(step) / 20.0) {
        run.samples.push(Sample { t, server_memory: Some(1 << 20), ..Sample::default() });
        connections
            .iter()
            .for_each(|one| logger.add(t, end(1, one.port), end(2, 7007), one.at_server(t - axis)));
    }
    run.started_at = Some(START - axis + clock);
    run.connections = Some(logger.finish());
    run.ending = Some(Ending::Watch { watch: WatchSummary::default() });
    run
}

prop_compose! {
    /// It moves bytes for a second at least, so that a watch which begins half a second late sees some of them.
    fn synthetic()(
        first in 1_000_000..50_000_000_u64,
        rest in prop::collection::vec(prop_oneof![Just(0), 0..50_000_000_u64], 1..40),
        delays in prop::array::uniform5(0.0001..0.2_f64),
        port in 40_000..60_000_u16,
    ) -> Synthetic {
        Synthetic { load: Load([vec![first; 10], rest].concat()), delays, port }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_known_offset_is_found_and_the_queues_add_up(
        connections in prop::collection::vec(synthetic(), 1..4),
        axis in -0.5..3.0_f64,
        clock in -5000.0..5000.0_f64,
    ) {
        let joined = join(&client(&connections), &server(&connections, axis, clock)).unwrap();

        let ClockOffset::Estimated { ahead: Some(ahead), uncertainty } = joined.offset else {
            return Err(TestCaseError::fail("no estimate"));
        };
        prop_assert!((ahead - clock).abs() <= uncertainty, "{ahead} ± {uncertainty}, not {clock}");
        prop_assert!(uncertainty < 0.5, "{}", uncertainty);
        for sample in &joined.run.samples {
            let queues = Queues::of(sample);
            prop_assert_eq!((queues.total(), queues.clamped), (sample.produced - sample.consumed, 0));
        }
        let moved: u64 = joined.run.samples.last().map_or(0, |sample| sample.produced);
        prop_assert!(moved > 0);
    }
}

fn one() -> Synthetic {
    Synthetic { load: Load(vec![10_000_000; 10]), delays: [0.01; 5], port: 50_000 }
}

#[test]
fn a_pause_shows_where_every_byte_is() {
    // The server reads, and writes nothing back.
    let stalled = |place: usize, t: f64| if place < 3 { one().counter(place, t) } else { Some(0) };
    let mut client = client(&[one()]);
    for point in &mut client.connections.as_mut().unwrap().list[0].points {
        (point.1[4], point.1[5]) = (Some(0), Some(0));
    }
    let mut server = server(&[one()], 0.0, 2.5);
    for point in &mut server.connections.as_mut().unwrap().list[0].points {
        (point.1[3], point.1[4]) = (stalled(3, point.0), Some(0));
    }

    let joined = join(&client, &server).unwrap();

    let last = joined.run.samples.last().unwrap();
    let queues = Queues::of(last);
    assert_eq!((queues[crate::Queue::Inside], queues.total()), (Some(10_000_000), 10_000_000));
    assert_eq!(last.server_memory, Some(1 << 20));
}

#[test]
fn only_common_connections_are_joined() {
    let connections = [40_001, 40_002, 40_003].map(|port| Synthetic { port, ..one() });

    let joined = join(&client(&connections[..2]), &server(&connections[1..], 0.0, 0.0)).unwrap();

    let expected = JoinedConnections { joined: 1, of_client: 2, of_server: 2, translated: 0 };
    assert_eq!(joined.connections, expected);
    assert_eq!(joined.run.samples.last().unwrap().produced, 10_000_000);
}

#[test]
fn an_address_of_the_server_may_be_translated() {
    let mut there = server(&[one()], 0.0, 0.0);
    there.connections.as_mut().unwrap().list[0].server = end(9, 8080);

    assert_eq!(join(&client(&[one()]), &there).unwrap().connections.translated, 1);
}

#[test]
fn what_cannot_be_joined_has_a_reason() {
    let (here, there) = (client(&[one()]), server(&[one()], 0.0, 0.0));
    let elsewhere = server(&[Synthetic { port: 1, ..one() }], 0.0, 0.0);
    let bare = |run: &Run| {
        let mut bare = run.clone();
        bare.connections = None;
        bare
    };
    let mut late = there.clone();
    late.samples.retain(|sample| sample.t > 7.0);

    assert_eq!(join(&there, &there), Err(JoinError::NoClient));
    assert_eq!(join(&here, &here), Err(JoinError::NoServer));
    assert_eq!(join(&bare(&here), &there), Err(JoinError::NoClientLog));
    assert_eq!(join(&here, &bare(&there)), Err(JoinError::NoServerLog));
    let nothing = JoinError::NothingInCommon { client: end(1, 50_000), server: end(1, 1) };
    assert_eq!(join(&here, &elsewhere), Err(nothing));
    assert_eq!(join(&here, &late), Err(JoinError::NoOverlap));
}

#[test]
fn without_movement_the_clocks_are_believed() {
    let still = Synthetic { load: Load(vec![]), ..one() };

    let joined = join(&client(std::slice::from_ref(&still)), &server(&[still], 1.0, 0.0)).unwrap();

    assert_eq!(joined.offset, ClockOffset::Unknown);
    assert_eq!(joined.run.samples.len(), 100);
}

/// Seconds until an acknowledgement arrives.
const ACKNOWLEDGED: f64 = 0.003;

/// When the client started, in seconds since 1970.
const START: f64 = 1_800_000_000.0;

#[test]
fn memory_growth_is_that_of_the_run_unless_the_client_saw_it() {
    // The client runs from 2 s to 7 s of the watch. Before, another client made the memory grow.
    let mut there = server(&[one()], 2.0, 0.0);
    for sample in &mut there.samples {
        sample.server_memory = Some(match sample.t {
            ..1.0 => 1 << 20,
            ..4.0 => 64 << 20,
            _ => 65 << 20,
        });
    }
    for (seen, expected) in [(None, 1 << 20), (Some(8 << 10), 8 << 10)] {
        let mut here = client(&[one()]);
        let summary = Summary { server_memory_growth: seen, ..Summary::new("server:7007".to_owned()) };
        here.ending = Some(Ending::Flood { summary });

        let joined = join(&here, &there).unwrap();

        assert_eq!(joined.run.summary().unwrap().server_memory_growth, Some(expected));
    }
}

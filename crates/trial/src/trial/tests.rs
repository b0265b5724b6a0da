//! Runs against a replayed client and recorded observations. Time passes only while the trial sleeps.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use echoctl_client::{CloseKind, Ending, Totals};
use echoctl_observe::{PathState, TreeReading};

use super::*;

/// What a client and its server do.
struct World {
    started: Instant,
    now: Instant,
    config: Config,
    /// Bytes per second that the client sends.
    rate: u64,
    /// When the client has finished, in seconds.
    end: f64,
    /// How its connections ended.
    endings: Vec<Ending>,
    /// What a sample shows at this time.
    look: fn(f64) -> Observation,
    stops: u32,
    aborts: u32,
    /// Bytes that the client read at last, and those that it can still read.
    discarded: u64,
    unread: u64,
    /// Whether the server writes as much as the client reads at last.
    goes_on: bool,
    serves_newcomers: bool,
}

impl World {
    /// A client with one connection that sends 1 MiB per second for two seconds and does not read.
    fn new(look: fn(f64) -> Observation) -> World {
        let now = Instant::now();
        World {
            started: now,
            now,
            config: Config { reading: Reading::Nothing, ..Config::new(([127, 0, 0, 1], 1).into()) },
            rate: 1 << 20,
            end: 2.0,
            endings: vec![Ending::LeftUnread],
            look,
            stops: 0,
            aborts: 0,
            discarded: 0,
            unread: u64::MAX,
            goes_on: true,
            serves_newcomers: false,
        }
    }

    fn t(&self) -> f64 {
        (self.now - self.started).as_secs_f64()
    }

    fn produced(&self) -> u64 {
        (self.t() * self.rate as f64) as u64
    }
}

#[derive(Clone)]
struct Replay(Rc<RefCell<World>>);

impl Client for Replay {
    fn state(&self) -> ClientState {
        let world = self.0.borrow();
        let sending = u32::from(world.t() < world.end);
        ClientState { totals: Totals { open: sending, ..Totals::default() }, sending, held_back: None }
    }

    fn produced(&self) -> u64 {
        self.0.borrow().produced()
    }

    fn outcome(&mut self) -> Result<Option<Outcome>, Error> {
        let world = self.0.borrow();
        Ok((world.t() >= world.end).then(|| Outcome {
            elapsed: Duration::from_secs_f64(world.t()),
            totals: Totals::default(),
            endings: world.endings.clone(),
            drain: None,
        }))
    }

    fn stop(&self) {
        self.0.borrow_mut().stops += 1;
    }

    fn abort(&self) {
        let mut world = self.0.borrow_mut();
        world.aborts += 1;
        world.end = world.t();
    }

    fn is_newcomer_served(&self, _: Duration) -> bool {
        self.0.borrow().serves_newcomers
    }

    fn discard(&self) -> u64 {
        let mut world = self.0.borrow_mut();
        let bytes = world.unread.min(1000);
        world.discarded += bytes;
        world.unread -= bytes;
        // Some time passes, so that a run that only reads ends.
        world.now += Duration::from_millis(1);
        bytes
    }

    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn sleep(&mut self, time: Duration) {
        self.0.borrow_mut().now += time.max(Duration::from_micros(1));
    }
}

/// Everything that a run showed.
struct Seen {
    outcome: TrialOutcome,
    world: Replay,
    moments: Vec<Moment>,
}

impl Seen {
    /// Runs a trial in this world, with a reaction to each moment.
    fn of(world: World, mut each: impl FnMut(&mut World, &Moment) -> ControlFlow<()>) -> Seen {
        let config = world.config.clone();
        let world = Replay(Rc::new(RefCell::new(world)));
        let source = {
            let world = world.clone();
            move || {
                let world = world.0.borrow();
                let mut observation = (world.look)(world.t());
                observation.sample.t = world.t();
                let goes_on = if world.goes_on { world.discarded } else { 0 };
                let written = &mut observation.sample.server_written;
                *written = written.map(|written| written + goes_on);
                observation.sample.produced = world.produced();
                observation
            }
        };
        let trial = Trial::new(config, world.clone(), source).with_memory_limit(100);
        let mut moments = Vec::new();
        let outcome = trial.run(|moment| {
            moments.push(moment.clone());
            each(&mut world.0.borrow_mut(), moment)
        });
        Seen { outcome: outcome.unwrap(), world, moments }
    }

    fn times(&self) -> Vec<f64> {
        self.moments.iter().map(|moment| moment.observation.sample.t).collect()
    }

    fn evidence(&self) -> Vec<f64> {
        self.outcome.history.evidence().map(|point| point.sample.t).collect()
    }
}

fn watch(world: World) -> Seen {
    Seen::of(world, |_, _| ControlFlow::Continue(()))
}

/// One open connection, and a server that does not grow.
fn alive(_: f64) -> Observation {
    let path = PathState { connections: 1, alive: 1, ..PathState::default() };
    let sample = Sample { server_memory: Some(1000), ..Sample::default() };
    Observation { sample, path, ..Observation::default() }
}

fn closed() -> Ending {
    Ending::PeerClosed { how: CloseKind::EndOfStream, at: Duration::from_secs(2) }
}

#[test]
fn a_slow_run_has_twenty_samples_per_second() {
    let seen = watch(World::new(alive));

    assert!((40..=42).contains(&seen.moments.len()), "{:?}", seen.times());
    assert!(seen.moments.iter().all(|moment| moment.due == Due::Regular));
    assert!(seen.times().last() >= Some(&2.0), "the last sample is taken after the end");
}

#[test]
fn a_fast_run_has_additional_samples_between_them() {
    let seen = watch(World { rate: 1 << 30, ..World::new(alive) });

    let produced: Vec<u64> = seen.moments.iter().map(|moment| moment.observation.sample.produced).collect();
    let regular = seen.moments.iter().filter(|moment| moment.due == Due::Regular);
    assert!(produced.windows(2).all(|pair| pair[1] - pair[0] <= 13 << 20), "{produced:?}");
    assert!((40..=42).contains(&regular.count()));
}

#[test]
fn samples_that_a_slow_view_delayed_are_not_caught_up() {
    let mut is_first = true;
    let seen = Seen::of(World::new(alive), |world, _| {
        if std::mem::take(&mut is_first) {
            world.now += Duration::from_secs(1);
        }
        ControlFlow::Continue(())
    });

    let times = seen.times();
    assert!((21..=23).contains(&times.len()), "{times:?}");
    assert!(times[..times.len() - 1].windows(2).all(|pair| pair[1] - pair[0] > 0.049), "{times:?}");
}

#[test]
fn the_memory_limit_stops_the_client_once() {
    let seen = watch(World::new(|t| {
        let sample = Sample { server_memory: Some(1000 + (100.0 * t) as u64), ..Sample::default() };
        Observation { sample, ..alive(t) }
    }));

    assert!(seen.outcome.is_over_memory);
    assert_eq!(seen.world.0.borrow().stops, 1);
    let below = watch(World::new(alive));
    assert!(!below.outcome.is_over_memory && below.world.0.borrow().stops == 0);
}

#[test]
fn the_server_has_exited_if_all_its_processes_have() {
    let seen =
        watch(World::new(|t| Observation { exited: (t > 1.0).then_some(RootExit::All(7)), ..alive(t) }));

    assert_eq!(seen.outcome.server_exited, Some(7));
    assert!(!seen.outcome.is_good());
}

#[test]
fn one_process_of_several_counts_if_a_connection_was_closed() {
    let one_exits: fn(f64) -> Observation =
        |t| Observation { exited: (t > 1.0).then_some(RootExit::One(7)), ..alive(t) };

    let open = watch(World::new(one_exits));
    let closed = watch(World { endings: vec![closed()], ..World::new(one_exits) });

    assert!(open.outcome.server_exited.is_none() && open.outcome.is_good());
    assert_eq!(closed.outcome.server_exited, Some(7));
}

#[test]
fn an_exit_shortly_after_a_close_is_awaited() {
    let seen = watch(World {
        endings: vec![closed()],
        ..World::new(|t| Observation { exited: (t > 2.5).then_some(RootExit::All(7)), ..alive(t) })
    });

    assert_eq!(seen.outcome.server_exited, Some(7));
    assert!(seen.times().last() < Some(&2.6), "{:?}", seen.times().last());
}

#[test]
fn a_server_that_only_disconnects_has_not_exited() {
    let seen = watch(World { endings: vec![closed()], ..World::new(alive) });

    assert!(seen.outcome.was_closed() && seen.outcome.server_exited.is_none());
    assert!(!seen.outcome.is_good());
}

#[test]
fn a_close_behind_unread_data_stops_the_client_once() {
    let seen = watch(World::new(|t| {
        let has_closed = u32::from(t > 1.0);
        let path = PathState {
            connections: 1,
            alive: 1 - has_closed,
            closed_by_server: has_closed,
            ..alive(t).path
        };
        Observation { path, ..alive(t) }
    }));

    assert!(seen.outcome.is_closed_by_server && seen.outcome.was_closed());
    assert_eq!(seen.world.0.borrow().stops, 1);
    assert!(seen.evidence().iter().all(|&t| t <= 1.0), "its queues are gone");
    assert!(seen.outcome.peaks().pending.t <= 1.0);
}

#[test]
fn one_closed_connection_of_two_does_not_stop_the_client() {
    let seen = watch(World::new(|t| {
        let path = PathState { connections: 2, alive: 1, closed_by_server: 1, ..alive(t).path };
        Observation { path, ..alive(t) }
    }));

    assert!(!seen.outcome.is_closed_by_server);
    assert_eq!(seen.world.0.borrow().stops, 0);
}

#[test]
fn evidence_begins_when_the_reader_stops() {
    let reading = |reading| {
        let world = World::new(alive);
        let config = Config { reading, ..world.config.clone() };
        watch(World { config, ..world })
    };

    let stops = reading(Reading::For(Duration::from_secs(1)));
    let reads = reading(Reading::All);

    let evidence = stops.evidence();
    assert!(evidence.len() > 15 && evidence.iter().all(|&t| (1.0..2.0).contains(&t)), "{evidence:?}");
    assert!(stops.outcome.evidence().is_some());
    assert!(reads.evidence().is_empty() && reads.outcome.evidence().is_none());
    assert!(reads.outcome.history.samples().count() > 30, "it is recorded all the same");
}

#[test]
fn a_view_that_fails_ends_the_run() {
    let seen = Seen::of(World::new(alive), |_, _| ControlFlow::Break(()));

    assert_eq!(seen.moments.len(), 1);
    assert_eq!(seen.world.0.borrow().aborts, 1);
    assert!(seen.outcome.history.samples().count() >= 2);
}

/// A server that has read 7 bytes and written them.
fn waits(t: f64) -> Observation {
    let sample = Sample { server_read: Some(7), server_written: Some(7), ..Sample::default() };
    Observation { sample, ..alive(t) }
}

#[test]
fn replies_left_unread_are_read_until_the_server_goes_on() {
    let seen = watch(World { goes_on: true, ..World::new(waits) });

    let drain = seen.outcome.last_read.clone().unwrap();
    assert_eq!((drain.bytes, drain.stopped, drain.server_written), (5000, StopReason::Enough, Some(5007)));
    let last = seen.outcome.history.last().unwrap();
    assert_eq!(last.server_written, Some(7), "no sample shows what came then");
    assert_eq!(seen.outcome.evidence().unwrap().0.drain.unwrap().bytes, 5000);
}

#[test]
fn a_server_that_does_not_go_on_is_read_for_a_bounded_time() {
    let seen = watch(World { goes_on: false, ..World::new(waits) });

    let drain = seen.outcome.last_read.unwrap();
    assert_eq!((drain.stopped, drain.server_written), (StopReason::Quiet, Some(7)));
    assert!((2.0..2.1).contains(&drain.seconds), "{}", drain.seconds);
}

#[test]
fn nothing_is_read_at_last_if_a_new_client_is_served() {
    let seen = watch(World { serves_newcomers: true, ..World::new(waits) });

    let bystanders = seen.outcome.evidence().unwrap().0.bystanders.unwrap();
    assert_eq!(bystanders.newcomer.unwrap().during, Some(true));
    assert_eq!((seen.outcome.last_read, seen.world.0.borrow().discarded), (None, 0));
}

/// A server that has read 100 MiB, of which neither its output nor its memory has much.
fn reads_on(t: f64) -> Observation {
    let sample = Sample {
        server_read: Some(100 << 20),
        server_written: Some(7),
        server_memory: Some(1 << 20),
        ..Sample::default()
    };
    Observation { sample, ..alive(t) }
}

#[test]
fn what_memory_does_not_hold_is_read_until_nothing_comes() {
    let of = |unread| {
        let world = World { serves_newcomers: true, unread, ..World::new(reads_on) };
        let drain = watch(world).outcome.last_read.unwrap();
        (drain.bytes, drain.stopped, drain.server_written)
    };

    assert_eq!(of(5000), (5000, StopReason::Quiet, Some(5007)));
    let (bytes, stopped, _) = of(u64::MAX);
    assert!(bytes > 5000 && stopped == StopReason::Enough, "{bytes}");
}

#[test]
fn nothing_is_read_at_last_from_a_closed_or_hidden_server() {
    let closed = watch(World { endings: vec![closed()], ..World::new(waits) });
    let hidden = watch(World::new(alive));

    assert_eq!((closed.outcome.last_read, hidden.outcome.last_read), (None, None));
}

#[test]
fn a_process_suspended_during_the_run_is_noticed() {
    fn of(suspended: u32, t: f64) -> Observation {
        Observation { tree: Some(TreeReading { suspended, ..TreeReading::default() }), ..alive(t) }
    }

    let before = watch(World::new(|t| of(1, t)));
    let meanwhile = watch(World::new(|t| of(u32::from((0.5..1.0).contains(&t)), t)));

    assert!(!before.outcome.is_suspended);
    assert!(meanwhile.outcome.evidence().unwrap().0.is_suspended);
}

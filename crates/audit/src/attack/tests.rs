//! The loop of an attack on recordings of real servers, without a network and with a clock that is moved by hand.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_observe::SamplingInterval;
use echoctl_record::{
    Bystanders, Disconnect, DisconnectKind, Drain, Evidence, Sample, Service, StopReason, Verdict,
};
use serde::Deserialize;

use super::drain::{Draining, EchoState};
use super::driver::{AttackDriver, Moment, Observed, Progress, Read, Scene, Settings, Until};
use super::integrity::Damage;
use super::token_bucket::TokenBucket;
use crate::Error;

/// What was recorded, shown again point by point.
struct Replay<'a> {
    recorded: Evidence,
    start: Instant,
    clock: Duration,
    /// The point that is visible.
    at: usize,
    /// Bytes of the recorded drain that were read.
    drained: u64,
    drain_began: Duration,
    /// Whether it has been drained since the visible point.
    is_drained: bool,
    pauses: Vec<bool>,
    most_left: u64,
    /// When bystanders were asked to ask, and what the slow reader had drained and whether it had gone by then.
    asked: Vec<(Moment, u64, bool)>,
    /// How long their replies take.
    answer_after: Duration,
    answered_at: Option<Duration>,
    /// What ends the attack while they wait.
    ends_while_asking: Option<(Moment, Disconnect)>,
    /// Set while they wait.
    stops_while_asking: Option<&'a AtomicBool>,
    has_left: bool,
}

impl<'a> Replay<'a> {
    fn of(recorded: Evidence) -> Replay<'a> {
        let zero = Duration::ZERO;
        Replay {
            recorded,
            start: Instant::now(),
            clock: zero,
            at: 0,
            drained: 0,
            drain_began: zero,
            is_drained: false,
            pauses: Vec::new(),
            most_left: 0,
            asked: Vec::new(),
            answer_after: zero,
            answered_at: None,
            ends_while_asking: None,
            stops_while_asking: None,
            has_left: false,
        }
    }

    /// Runs the loop, and returns its verdict with the evidence that it collected.
    fn run(&mut self) -> Result<(Verdict, Evidence, Vec<Sample>), Error> {
        self.run_until(&AtomicBool::new(false))
    }

    fn run_until(&mut self, stop: &AtomicBool) -> Result<(Verdict, Evidence, Vec<Sample>), Error> {
        let conditions = Evidence {
            points: Vec::new(),
            disconnect: None,
            drain: None,
            is_relay: false,
            hidden_upstream: false,
            census: None,
            bystanders: None,
            control: None,
            out_of_memory: None,
            is_suspended: false,
            ..self.recorded.clone()
        };
        let settings =
            Settings { rate: u64::MAX, interval: SamplingInterval { time: Duration::ZERO, bytes: None } };
        let mut watched = Vec::new();
        let mut watch = |sample: &Sample| watched.push(*sample);
        let (judgement, evidence, samples) =
            AttackDriver::new(self, conditions, settings, stop, &mut watch).run()?;
        assert!(watched == samples, "each sample was shown when it was taken");
        Ok((judgement.verdict, evidence, samples))
    }
}

impl Scene for Replay<'_> {
    fn now(&self) -> Instant {
        self.start + self.clock
    }

    fn begin(&mut self) {}

    fn send(&mut self, _: &mut TokenBucket, left: u64) -> Progress {
        self.at += 1;
        assert!(self.at < self.recorded.points.len(), "the attack went on when the recorded one had ended");
        let point = self.recorded.points[self.at];
        self.clock = Duration::from_secs_f64(point.sample.t);
        (self.drain_began, self.is_drained) = (self.clock, false);
        self.most_left = self.most_left.max(left);
        if point.blocked { Progress::Blocked } else { Progress::Sent }
    }

    fn produced(&self) -> u64 {
        self.recorded.points[self.at].sample.produced
    }

    fn read(&mut self, drain: &mut Draining) -> Read {
        let Some(recorded) = &self.recorded.drain else { return Read::End };
        self.clock += Duration::from_millis(10);
        let t = (self.clock - self.drain_began).as_secs_f64();
        let share = if recorded.seconds > 0.0 { (t / recorded.seconds).min(1.0) } else { 1.0 };
        let due = drained_by(recorded, t);
        // A recorded drain is the sum of all: a second one finds nothing more.
        let new = due.saturating_sub(self.drained) as usize;
        self.drained = due.max(self.drained);
        drain.note(&vec![0; new], self.start + self.clock);
        drain.note_echo(EchoState {
            is_echo: self.recorded.echo,
            is_open: recorded.stopped != StopReason::Closed,
            missing: u64::from(recorded.stopped != StopReason::Complete || share < 1.0),
            damage: recorded.damaged_at.map(|at| Damage { at, fault: recorded.fault }),
        });
        match recorded.stopped {
            _ if new > 0 => Read::Some,
            StopReason::Closed if share >= 1.0 => Read::End,
            _ => Read::Nothing,
        }
    }

    fn wait(&mut self, _: Until, _: Duration) {}

    fn observe(&mut self, _: bool) -> Observed {
        let mut point = self.recorded.points[self.at];
        if let Some(drain) = self.recorded.drain.as_ref().filter(|_| self.is_drained) {
            let sample = &mut point.sample;
            sample.server_read = drain.server_read.or(sample.server_read);
            sample.server_written = drain.server_written.or(sample.server_written);
        }
        Observed {
            point,
            is_relay: self.recorded.is_relay,
            hidden_upstream: self.recorded.hidden_upstream,
            responses: self.recorded.responses,
        }
    }

    fn ended(&mut self) -> Option<Disconnect> {
        if let Some((moment, end)) = self.ends_while_asking
            && self.asked.last().is_some_and(|asked| asked.0 == moment)
        {
            return Some(end);
        }
        self.recorded.disconnect.filter(|_| self.at + 1 == self.recorded.points.len())
    }

    fn attend(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn pause_bystander(&mut self, pause: bool) {
        self.pauses.push(pause);
    }

    fn ask(&mut self, moment: Moment) {
        self.asked.push((moment, self.drained, self.has_left));
        let is_slow = self.ends_while_asking.is_none_or(|(slow, _)| slow == moment);
        self.answered_at = is_slow.then(|| self.clock + self.answer_after);
    }

    fn are_answered(&mut self) -> Result<bool, Error> {
        self.clock += Duration::from_millis(10);
        if let Some(stop) = self.stops_while_asking {
            stop.store(true, Ordering::Relaxed);
        }
        Ok(self.answered_at.is_none_or(|at| self.clock >= at))
    }

    fn inspect(&mut self, evidence: &mut Evidence) {
        evidence.census = self.recorded.census;
        evidence.is_suspended = self.recorded.is_suspended;
    }

    fn begin_drain(&mut self, _: &mut Draining) {
        self.is_drained = true;
    }

    fn end_drain(&mut self, _: &Draining, _: &mut Evidence) {}

    fn leave(&mut self) {
        self.has_left = true;
    }

    fn watch_background(&mut self) -> bool {
        true
    }

    fn finish(&mut self, evidence: &mut Evidence) -> Result<(), Error> {
        evidence.bystanders = self.recorded.bystanders;
        evidence.background = self.recorded.background;
        evidence.control.clone_from(&self.recorded.control);
        evidence.out_of_memory.clone_from(&self.recorded.out_of_memory);
        Ok(())
    }
}

/// Bytes that a recorded drain had read after `t` seconds: as at the point of its curve before, and evenly between two points.
fn drained_by(drain: &Drain, t: f64) -> u64 {
    let ends = [(0.0, 0), (drain.seconds, drain.bytes)];
    let curve = if drain.curve.len() > 1 { &drain.curve[..] } else { &ends[..] };
    let next = curve.partition_point(|(at, _)| *at <= t);
    let Some(&(to, after)) = curve.get(next) else { return drain.bytes };
    let (from, before) = next.checked_sub(1).map_or((0.0, 0), |index| curve[index]);
    before + ((after - before) as f64 * (t - from) / (to - from)) as u64
}

#[derive(Deserialize)]
struct Recording {
    verdict: Verdict,
    evidence: Evidence,
}

fn recordings() -> Vec<(String, Recording)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../verdict/src/audit/recordings");
    let read = |path: &Path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

fn recording(name: &str) -> Evidence {
    let found = recordings().into_iter().find(|(recorded, _)| recorded == name);
    found.expect("the recording exists").1.evidence
}

#[test]
fn each_recorded_attack_ends_with_its_verdict() {
    let all = recordings();
    assert!(all.len() >= 20, "recordings are missing");
    // Of several drains only the sum is recorded.
    let has_one_drain = |evidence: &Evidence| !evidence.points.iter().any(|point| point.after_drain);
    for (name, Recording { verdict, mut evidence }) in
        all.into_iter().filter(|(_, recording)| has_one_drain(&recording.evidence))
    {
        // Some ended, or were reduced, at a point at which today's rule would go on.
        evidence.max_duration = evidence.points.last().map_or(0.0, |last| last.sample.t);
        // With a duration that was asked for, however short, it does not go on for longer; nor does one drain early of which the
        // recording has only one drain.
        let least = if evidence.repeats { 0.001 } else { evidence.max_duration };
        evidence.min_duration = evidence.min_duration.max(least);
        let mut replay = Replay::of(evidence.clone());

        let (judged, collected, samples) = replay.run().unwrap();

        assert_eq!(judged, verdict, "{name}");
        // What a drain tells may make the rest of the attack needless.
        let is_complete = replay.at + 1 == evidence.points.len();
        assert_eq!(collected.disconnect, evidence.disconnect.filter(|_| is_complete), "{name}");
        assert!(samples.len() >= collected.points.len(), "{name}: the drain adds samples");
        assert!(replay.most_left > 0, "{name}: something was to be sent");
    }
}

#[test]
fn an_interrupted_attack_has_no_verdict() {
    let mut replay = Replay::of(recording("queue-in-a-slice"));

    let error = replay.run_until(&AtomicBool::new(true)).unwrap_err();

    assert!(matches!(error, Error::Interrupted), "{error}");
}

#[test]
fn a_crash_ends_the_attack_at_once() {
    let mut recorded = recording("pauses-at-a-water-mark");
    recorded.points.truncate(10);
    recorded.disconnect = Some(Disconnect { t: recorded.points[9].sample.t, kind: DisconnectKind::Crashed });
    let mut replay = Replay::of(recorded.clone());

    let (verdict, evidence, _) = replay.run().unwrap();

    assert_eq!(verdict, Verdict::Crashes);
    assert_eq!((evidence.points.len(), evidence.disconnect), (10, recorded.disconnect));
}

#[test]
fn the_bystander_pauses_while_nothing_moves() {
    let mut replay = Replay::of(recording("pauses-at-a-water-mark"));

    replay.run().unwrap();

    assert_eq!(replay.pauses.first(), Some(&false));
    assert_eq!(replay.pauses.last(), Some(&true));
}

#[test]
fn a_relay_is_one_from_the_first_sight_of_it_on() {
    let mut recorded = recording("pauses-at-a-water-mark");
    (recorded.is_relay, recorded.hidden_upstream) = (true, true);

    let (verdict, evidence, _) = Replay::of(recorded).run().unwrap();

    assert!(evidence.is_relay && evidence.hidden_upstream);
    assert_ne!(verdict, Verdict::Unbounded);
}

#[test]
fn bystanders_ask_before_the_drain_and_after_the_end() {
    let mut replay = Replay::of(recording("pauses-at-a-water-mark"));
    replay.answer_after = Duration::from_secs(3);

    let (_, evidence, samples) = replay.run().unwrap();

    let drained = evidence.drain.unwrap().bytes;
    assert_eq!(replay.asked, [(Moment::During, 0, false), (Moment::After, drained, true)]);
    // The wait is shown, but not added to the evidence of the stall.
    assert!(drained > 0 && samples.len() >= evidence.points.len() + 50, "{}", samples.len());
    assert_eq!(evidence.points.len(), replay.recorded.points.len());
}

#[test]
fn what_is_known_at_the_end_is_evidence() {
    let mut recorded = recording("pauses-at-a-water-mark");
    let starved = Service { longest: 5.0, during: Some(false), after: Some(true), ..Service::default() };
    recorded.bystanders = Some(Bystanders {
        calm: 0.01,
        serves_several: true,
        limit: 5.0,
        idle: Some(starved),
        ..Bystanders::default()
    });
    recorded.out_of_memory = Some("MemoryError".to_owned());
    recorded.is_suspended = true;

    let (_, evidence, _) = Replay::of(recorded.clone()).run().unwrap();

    assert_eq!((evidence.bystanders, evidence.is_suspended), (recorded.bystanders, true));
    assert_eq!(evidence.out_of_memory, recorded.out_of_memory);
}

#[test]
fn nothing_is_asked_during_an_attack_that_was_ended() {
    let mut recorded = recording("pauses-at-a-water-mark");
    recorded.points.truncate(10);
    let end = |kind| Some(Disconnect { t: 0.5, kind });
    let asked = |recorded: &Evidence| {
        let mut replay = Replay::of(recorded.clone());
        replay.run().unwrap();
        replay.asked.iter().map(|asked| asked.0).collect::<Vec<_>>()
    };

    recorded.disconnect = end(DisconnectKind::Reset);
    assert_eq!(asked(&recorded), [Moment::After]);
    recorded.disconnect = end(DisconnectKind::Crashed);
    assert_eq!(asked(&recorded), []);
}

#[test]
fn a_disconnect_while_bystanders_wait_is_evidence() {
    let mut replay = Replay::of(recording("pauses-at-a-water-mark"));
    let end = Disconnect { t: 9.0, kind: DisconnectKind::Closed };
    replay.ends_while_asking = Some((Moment::During, end));
    replay.answer_after = Duration::from_secs(3);

    let (_, evidence, _) = replay.run().unwrap();

    assert_eq!((evidence.disconnect, replay.asked.len()), (Some(end), 2));
    assert_eq!(evidence.points.len(), replay.recorded.points.len() + 1);
}

#[test]
fn a_crash_while_bystanders_wait_ends_the_wait() {
    for (moment, asked) in [(Moment::During, 1), (Moment::After, 2)] {
        let mut replay = Replay::of(recording("pauses-at-a-water-mark"));
        replay.ends_while_asking = Some((moment, Disconnect { t: 9.0, kind: DisconnectKind::Crashed }));
        replay.answer_after = Duration::from_secs(3600);

        let (verdict, _, _) = replay.run().unwrap();

        assert_eq!((verdict, replay.asked.len()), (Verdict::Crashes, asked));
    }
}

#[test]
fn a_crash_after_the_answer_is_seen() {
    let mut replay = Replay::of(recording("pauses-at-a-water-mark"));
    replay.ends_while_asking = Some((Moment::After, Disconnect { t: 9.0, kind: DisconnectKind::Crashed }));
    replay.answer_after = Duration::ZERO;

    assert_eq!(replay.run().unwrap().0, Verdict::Crashes);
}

#[test]
fn an_interruption_ends_the_wait_of_bystanders() {
    let stop = AtomicBool::new(false);
    let mut replay = Replay::of(recording("pauses-at-a-water-mark"));
    replay.answer_after = Duration::MAX / 4;
    replay.stops_while_asking = Some(&stop);

    let error = replay.run_until(&stop).unwrap_err();

    assert!(matches!(error, Error::Interrupted), "{error}");
    assert_eq!(replay.asked.len(), 1);
}

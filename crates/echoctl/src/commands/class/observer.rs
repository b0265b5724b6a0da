//! Composes a moment of the class: what the server knows of itself, what the kernel shows of its connections, and what follows.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoctl_observe::{
    Connection, ConnectionTracker, Error, Observation, Selection, SocketTables, own_anonymous_memory,
};
use echoctl_record::{
    ClassPoint, ClassRow, ClassState, ConnectionCause, ConnectionFigures, ConnectionLogger, Diagnosis,
    Sample, Stalled,
};
use echoctl_server::{ConnectionState, Control, Stats};
use echoctl_verdict::diagnose_reader;

use super::connection_ids::ConnectionIds;
use super::crowd;
use super::marks::Marks;
use super::policies::Offer;
use super::sentence::{Situation, Waiting, sentence};

/// Observes a class.
#[derive(Debug)]
pub(super) struct Observer {
    control: Control,
    tracker: ConnectionTracker,
    ids: Arc<ConnectionIds>,
    marks: Arc<Marks>,
    offer: Offer,
    /// The last seconds, for rates and changes.
    recent: VecDeque<At>,
}

/// The server's figures, and when they were read.
type At = (Instant, Stats);

/// A moment of the class.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) state: ClassState,
    /// Its figures as a sample of a recording.
    pub(super) sample: Sample,
    pub(super) observation: Observation,
}

/// A connection with what it waits for.
#[derive(Debug)]
struct Seen<'a> {
    connection: &'a Connection,
    peer: SocketAddr,
    figures: ConnectionFigures,
    diagnosis: Diagnosis,
    /// What the server knows of it; `None` where it has not accepted it, or has closed it.
    own: Option<&'a ConnectionState>,
    held: u64,
}

impl Observer {
    /// An observer of the server at `addr`.
    ///
    /// # Errors
    /// If this system does not show the sockets of its connections.
    pub(super) fn new(
        control: Control,
        addr: SocketAddr,
        ids: Arc<ConnectionIds>,
        marks: Arc<Marks>,
        offer: Offer,
    ) -> Result<Observer, Error> {
        let selection = Selection::Served(vec![addr.into()]);
        let tracker = ConnectionTracker::new(SocketTables::of([]), &selection, None)?;
        Ok(Observer { control, tracker, ids, marks, offer, recent: VecDeque::new() })
    }

    /// Observes a moment.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub(super) fn observe(&mut self) -> Result<Moment, Error> {
        let observation = self.tracker.sample()?;
        let (now, stats, own) = (Instant::now(), self.control.stats(), self.control.connections());
        let memory = own_anonymous_memory();
        let own: HashMap<SocketAddr, &ConnectionState> =
            own.iter().map(|state| (canonical(state.peer), state)).collect();
        let mut seen: Vec<Seen<'_>> = open(&self.tracker).map(|one| Seen::of(one, &own, now)).collect();
        seen.sort_by(Seen::worst_first);
        let ids = self.ids.renew(seen.iter().map(|seen| seen.peer));
        for peer in crowd::excess(&ids) {
            self.control.disconnect(peer);
        }
        let rows = seen.iter().take(ClassState::MAX_ROWS).map(|seen| seen.row(ids[&seen.peer])).collect();
        self.recent.push_back((now, stats));
        while self.recent.len() > 2 && now.duration_since(self.recent[1].0) >= RATE_TIME {
            self.recent.pop_front();
        }
        let sample = Sample { server_memory: memory, is_echo: Some(false), ..observation.sample };
        let policy = self.control.policy();
        let point = ClassPoint {
            t: now.duration_since(self.marks.started()).as_secs_f64(),
            memory,
            kernel_memory: sample.kernel_memory,
            buffered: stats.buffered,
            receive_rate: self.rate(|stats| stats.totals.received),
            send_rate: self.rate(|stats| stats.totals.sent),
        };
        let state = ClassState {
            point,
            policy: policy.name().to_owned(),
            policies: self.offer.choices(),
            queue_limit: policy.limit().map(|limit| limit as u64),
            write_timeout: self.control.write_timeout().map(|timeout| timeout.as_secs_f64()),
            memory_limit: self.control.memory_limit(),
            is_paused: self.control.is_paused(),
            connections: stats.connections,
            stalled: seen.iter().filter(|seen| seen.waits_for_client()).count(),
            rows,
            sentence: self.sentence(&seen),
            marks: self.marks.list(),
            question: None,
        };
        Ok(Moment { state, sample, observation })
    }

    /// Adds the connections of a moment, the last one, to the log of a recording.
    pub(super) fn log(&self, moment: &Moment, into: &mut ConnectionLogger) {
        self.tracker.log(&moment.observation, into);
    }

    /// How much a counter grew per second; `None` in the first moment.
    fn rate(&self, count: impl Fn(&Stats) -> u64) -> Option<f64> {
        let ((began, first), (ended, last)) = self.ends()?;
        let seconds = ended.duration_since(*began).as_secs_f64();
        Some(count(last).saturating_sub(count(first)) as f64 / seconds.max(1e-3))
    }

    /// The oldest of the last seconds, and now.
    fn ends(&self) -> Option<(&At, &At)> {
        Some((self.recent.front()?, self.recent.back().filter(|_| self.recent.len() > 1)?))
    }

    fn sentence(&self, seen: &[Seen<'_>]) -> String {
        let mut waiting = Waiting::default();
        for one in seen.iter().filter(|seen| seen.waits_for_client()) {
            let is_slow = one.diagnosis.cause == ConnectionCause::ClientReadsSlowly;
            waiting.add(|| one.name(), is_slow, one.queues());
        }
        let stats = |at: Option<&At>| at.map(|(_, stats)| *stats).unwrap_or_default();
        let (first, last) = (stats(self.recent.front()), stats(self.recent.back()));
        sentence(&Situation {
            policy: self.control.policy(),
            is_paused: self.control.is_paused(),
            connections: seen.len(),
            unread_by_server: seen.iter().filter_map(|seen| seen.figures.server_receive).sum(),
            is_moving: first.totals.received < last.totals.received || first.totals.sent < last.totals.sent,
            is_growing: last.buffered > first.buffered,
            dropped: last.totals.dropped_frames,
            is_dropping: last.totals.dropped_frames > first.totals.dropped_frames,
            waiting: &waiting,
        })
    }
}

/// The connections whose server's end exists.
fn open(tracker: &ConnectionTracker) -> impl Iterator<Item = &Connection> {
    tracker.connections().filter(|connection| connection.server_state.is_some())
}

impl<'a> Seen<'a> {
    fn of(
        connection: &'a Connection,
        own: &HashMap<SocketAddr, &'a ConnectionState>,
        now: Instant,
    ) -> Seen<'a> {
        let (peer, figures) = (canonical(connection.local), connection.figures(now));
        let own = own.get(&peer).copied();
        let mut seen = Seen { connection, peer, figures, diagnosis: diagnose_reader(&figures), own, held: 0 };
        seen.held = seen.queues().into_iter().flatten().sum();
        seen
    }

    /// Bytes in its queues, in the order of the path.
    fn queues(&self) -> [Option<u64>; 5] {
        let ConnectionFigures { client_send, server_receive, server_send, client_receive, .. } = self.figures;
        // Of a connection that the server does not have, nothing is inside it.
        let inside = self.own.map_or(0, |own| own.buffered as u64);
        [client_send, server_receive, Some(inside), server_send, client_receive]
    }

    fn waits_for_client(&self) -> bool {
        matches!(self.diagnosis.cause.stalled_by(), Some(Stalled::Client | Stalled::Both))
    }

    fn shown_name(&self) -> Option<String> {
        let name = self.own.and_then(|own| own.name.as_deref()).map(ClassRow::shown_name);
        name.filter(|name| !name.is_empty())
    }

    fn name(&self) -> String {
        self.shown_name().unwrap_or_else(|| self.peer.to_string())
    }

    fn row(&self, id: u64) -> ClassRow {
        let [client_send, server_receive, inside, server_send, client_receive] = self.queues();
        ClassRow {
            id,
            peer: self.peer.to_string(),
            name: self.shown_name(),
            client_send,
            server_receive,
            inside,
            server_send,
            client_receive,
            held: self.held,
            cause: self.diagnosis.cause,
            cause_seconds: self.diagnosis.seconds,
            diagnosis: self.diagnosis.to_string(),
            receive_rate: self.figures.receive_rate,
            send_rate: self.figures.send_rate,
            dropped_frames: self.own.map_or(0, |own| own.totals.dropped_frames),
        }
    }

    /// Those that need attention first, then by the bytes that they hold, and by age.
    fn worst_first(one: &Seen<'_>, other: &Seen<'_>) -> Ordering {
        let age = |seen: &Seen<'_>| seen.diagnosis.seconds.unwrap_or(0.0);
        let needs_attention = |seen: &Seen<'_>| seen.diagnosis.is_culprit();
        needs_attention(other)
            .cmp(&needs_attention(one))
            .then(other.held.cmp(&one.held))
            .then_with(|| age(other).total_cmp(&age(one)))
            .then_with(|| one.connection.local.cmp(&other.connection.local))
    }
}

/// A server on `[::]` has its IPv4 clients as IPv6 addresses.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Time over which rates are measured: as short as the steps of a switch, and long enough to be steady.
const RATE_TIME: Duration = Duration::from_secs(1);

//! What a run measured, and its conversion to a summary and to the evidence of a verdict.

use echoctl_client::{CloseKind, Config, Ending, Outcome, Reading};
use echoctl_observe::KernelBuffering;
use echoctl_record::{
    Bystanders, ConnectionLog, Disconnect, DisconnectKind, Drain, EchoFault, Evidence, Integrity, Service,
    StopReason, Summary,
};
use echoctl_verdict::audit::in_kernels;
use echoctl_verdict::flood::{Observed, OtherInput, Reader};

use crate::history::{History, Peaks};

/// Result of a [`Trial`](crate::Trial).
#[derive(Debug)]
pub struct TrialOutcome {
    /// What the client did.
    pub config: Config,
    /// Its result.
    pub client: Outcome,
    /// The samples.
    pub history: History,
    /// The growth of the server's memory at which the client is stopped, in bytes.
    pub memory_limit: Option<u64>,
    /// Whether it was reached.
    pub is_over_memory: bool,
    /// The process of the server that exited: its only one, or one of several, and a connection was closed.
    pub server_exited: Option<u32>,
    /// Whether the server closed all connections while the client was sending.
    pub is_closed_by_server: bool,
    /// What other clients sent to the server meanwhile.
    pub others: OtherInput,
    /// Whether a process of the server was suspended during the run.
    pub is_suspended: bool,
    /// Whether a new client was served at the end, if replies were left unread.
    pub is_newcomer_served: Option<bool>,
    /// What came when the client read at last, if it left replies unread and that was necessary to see whether the server goes on: no
    /// part of the samples and totals.
    pub last_read: Option<Drain>,
    /// The counters of each connection, if they were kept.
    pub connections: Option<ConnectionLog>,
}

impl TrialOutcome {
    /// The maxima.
    pub fn peaks(&self) -> &Peaks {
        self.history.peaks()
    }

    /// Whether every byte that was read came back as it was sent, and the server neither exited nor closed a connection.
    pub fn is_good(&self) -> bool {
        self.client.is_good() && self.server_exited.is_none() && !self.is_closed_by_server
    }

    /// Whether the server reset a connection, or closed it before the client had finished sending.
    pub fn was_closed(&self) -> bool {
        self.is_closed_by_server || self.client.was_closed()
    }

    /// Seconds of the evidence in which no connection could write.
    pub fn total_wait(&self) -> f64 {
        let points: Vec<_> = self.history.evidence().collect();
        let blocked = points.windows(2).filter(|pair| pair[0].blocked);
        blocked.map(|pair| pair[1].sample.t - pair[0].sample.t).sum()
    }

    /// Totals of client and server. The caller adds the process and the verdict.
    pub fn summary(&self, target: String) -> Summary {
        let totals = &self.client.totals;
        Summary {
            seconds: self.client.elapsed.as_secs_f64(),
            connections: u32::try_from(self.client.endings.len()).unwrap_or(u32::MAX),
            produced: totals.produced,
            consumed: totals.consumed,
            integrity: Some(Integrity {
                verified: totals.verified,
                lost: totals.lost,
                duplicated: totals.duplicated,
                reordered: totals.reordered,
                mismatched: totals.mismatched,
            }),
            stalled_seconds: totals.longest_stall.as_secs_f64(),
            server_memory_growth: self.peaks().growth(),
            inside_server: self.peaks().inside,
            ..Summary::new(target)
        }
    }

    /// The evidence for a verdict on the server. `None` if the client read everything, which tests nothing but whether the server
    /// survives it.
    pub fn evidence(&self) -> Option<(Evidence, Observed)> {
        let totals = &self.client.totals;
        let mut points: Vec<_> = self.history.evidence().copied().collect();
        let is_test = !points.is_empty();
        if !is_test && self.has_crashed() {
            points.extend(self.history.points());
        }
        if points.is_empty() {
            return None;
        }
        let evidence = Evidence {
            repeats: true,
            echo: true,
            unit: *self.config.sizes.end() as u64,
            budget: BUDGET,
            max_duration: self.client.elapsed.as_secs_f64(),
            kernel_buffering: KernelBuffering::here().of_connections(self.config.connections),
            memory_limit: self.memory_limit.unwrap_or(u64::MAX),
            points,
            disconnect: self.disconnect(),
            is_suspended: self.is_suspended,
            bystanders: self.is_newcomer_served.map(newcomer),
            ..Evidence::default()
        };
        let drain = self.drain().or_else(|| self.last_read.clone()).map(|drain| Drain {
            in_kernels: in_kernels(&evidence),
            fault: totals.first_fault.map(|_| EchoFault::Changed),
            damaged_at: totals.first_fault.map(|(_, at)| at),
            ..drain
        });
        let evidence = Evidence { drain, ..evidence };
        let observed = Observed {
            reader: match self.config.reading {
                Reading::For(_) if is_test => Reader::Stopped,
                _ => Reader::Starved,
            },
            longest_wait: totals.longest_stall.as_secs_f64(),
            read: self.peaks().pending.server_read.unwrap_or(0),
            unwritten: self.peaks().inside.unwrap_or(0),
            growth: self.peaks().growth(),
            others: self.others,
        };
        Some((evidence, observed))
    }

    /// What was drained, if the client read everything at the end.
    fn drain(&self) -> Option<Drain> {
        let (drained, last) = (self.client.drain?, self.history.last()?);
        let is_complete = self.client.endings.iter().all(|ending| *ending == Ending::Complete);
        let has_timed_out =
            self.client.endings.iter().any(|ending| matches!(ending, Ending::TimedOut { .. }));
        Some(Drain {
            bytes: drained.bytes,
            seconds: drained.end.saturating_sub(drained.start).as_secs_f64(),
            stopped: match (is_complete, has_timed_out) {
                (true, _) => StopReason::Complete,
                (false, true) => StopReason::Quiet,
                (false, false) => StopReason::Closed,
            },
            server_read: last.server_read,
            server_written: last.server_written,
            ..Drain::default()
        })
    }

    /// Whether the server exited before everything had come back. One that exits when its client has finished has served it.
    fn has_crashed(&self) -> bool {
        let is_complete = self.client.endings.iter().all(|ending| *ending == Ending::Complete);
        self.server_exited.is_some() && !(is_complete && self.client.is_good())
    }

    /// How the server ended a connection, if it did.
    fn disconnect(&self) -> Option<Disconnect> {
        let seen = self.client.endings.iter().find_map(|ending| match ending {
            Ending::PeerClosed { how, at } => Some((how, at.as_secs_f64())),
            _ => None,
        });
        let last = self.history.last().map_or(0.0, |sample| sample.t);
        let (kind, t) = match seen {
            _ if self.has_crashed() => (DisconnectKind::Crashed, last),
            Some((CloseKind::EndOfStream, at)) => (DisconnectKind::Closed, at),
            Some((CloseKind::Failed(_), at)) => (DisconnectKind::Reset, at),
            None if self.is_closed_by_server => (DisconnectKind::Closed, last),
            None => return None,
        };
        Some(Disconnect { t, kind })
    }
}

/// The only bystander of a flood: whether it was served while the flood's client did not read. It was not asked before, and a server
/// may serve one client at a time.
fn newcomer(is_served: bool) -> Bystanders {
    let newcomer = Service { replies: is_served.into(), during: Some(is_served), ..Service::default() };
    Bystanders { newcomer: Some(newcomer), ..Bystanders::default() }
}

/// Bytes that a server must read to be called unbounded: many times what the kernel queues hold.
const BUDGET: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use echoctl_client::Totals;
    use echoctl_record::{Point, Sample};

    use super::*;
    use crate::history::Use;

    fn outcome(totals: Totals, endings: Vec<Ending>) -> TrialOutcome {
        TrialOutcome {
            config: Config { reading: Reading::Nothing, ..Config::new(([127, 0, 0, 1], 7007).into()) },
            client: Outcome { elapsed: Duration::from_secs(9), totals, endings, drain: None },
            history: History::default(),
            memory_limit: None,
            is_over_memory: false,
            server_exited: None,
            is_closed_by_server: false,
            others: OtherInput::default(),
            is_suspended: false,
            is_newcomer_served: None,
            last_read: None,
            connections: None,
        }
    }

    #[test]
    fn the_summary_has_every_count_of_the_client() {
        let totals = Totals {
            produced: 1,
            consumed: 2,
            verified: 3,
            lost: 4,
            duplicated: 5,
            reordered: 6,
            mismatched: 7,
            longest_stall: Duration::from_secs(8),
            ..Totals::default()
        };

        let summary = outcome(totals, vec![Ending::Complete, Ending::LeftUnread]).summary("x:7".to_owned());

        let integrity = Integrity { verified: 3, lost: 4, duplicated: 5, reordered: 6, mismatched: 7 };
        assert_eq!((summary.produced, summary.consumed), (1, 2));
        assert_eq!(summary.integrity, Some(integrity));
        assert_eq!((summary.stalled_seconds, summary.seconds, summary.connections), (8.0, 9.0, 2));
        assert_eq!((summary.target.as_str(), summary.verdict), ("x:7", None));
    }

    #[test]
    fn waits_add_up_over_the_evidence_only() {
        let mut outcome = outcome(Totals::default(), Vec::new());
        for (t, blocked, used) in [
            (0.0, true, Use::Record),
            (1.0, true, Use::Evidence),
            (2.0, false, Use::Evidence),
            (3.0, true, Use::Evidence),
            (5.0, true, Use::Evidence),
            (9.0, true, Use::Record),
        ] {
            let sample = Sample { t, ..Sample::default() };
            outcome.history.add(Point { sample, blocked, ..Point::default() }, used);
        }

        assert_eq!(outcome.total_wait(), 3.0);
    }

    #[test]
    fn a_crash_is_evidence_even_if_the_client_read_everything() {
        let run = |server_exited, endings| {
            let mut outcome = TrialOutcome { server_exited, ..outcome(Totals::default(), endings) };
            outcome.config.reading = Reading::For(Duration::from_secs(20));
            for t in [0.0, 3.0] {
                let point = Point { sample: Sample { t, ..Sample::default() }, ..Point::default() };
                outcome.history.add(point, Use::Record);
            }
            outcome.evidence()
        };

        let (evidence, observed) = run(Some(7), vec![Ending::Complete, Ending::Stopped]).unwrap();

        assert_eq!(evidence.disconnect, Some(Disconnect { t: 3.0, kind: DisconnectKind::Crashed }));
        assert_eq!((evidence.points.len(), observed.reader), (2, Reader::Starved));
        assert!(run(None, vec![Ending::Stopped]).is_none());
        assert!(run(Some(7), vec![Ending::Complete]).is_none(), "it ended with its client");
    }

    #[test]
    fn an_exit_comes_before_a_close_in_the_evidence() {
        let at = Duration::from_secs(3);
        let reset = CloseKind::Failed(String::new());
        let kind = |endings, exited, closed| {
            let outcome = TrialOutcome {
                server_exited: exited,
                is_closed_by_server: closed,
                ..outcome(Totals::default(), endings)
            };
            outcome.disconnect().map(|disconnect| disconnect.kind)
        };
        let ended = |how: &CloseKind| vec![Ending::Complete, Ending::PeerClosed { how: how.clone(), at }];

        assert_eq!(kind(ended(&reset), None, true), Some(DisconnectKind::Reset));
        assert_eq!(kind(ended(&CloseKind::EndOfStream), None, false), Some(DisconnectKind::Closed));
        assert_eq!(kind(ended(&reset), Some(7), true), Some(DisconnectKind::Crashed));
        assert_eq!(kind(vec![Ending::LeftUnread], None, true), Some(DisconnectKind::Closed));
        assert_eq!(kind(vec![Ending::LeftUnread], None, false), None);
    }
}

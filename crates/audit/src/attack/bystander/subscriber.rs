//! A subscriber: a healthy client that gets what the slow reader gets, where a publisher sends.
//!
//! It does what the slow reader does, and reads. What it gets while the slow reader's queues fill shows that the server serves several;
//! if it gets nothing any more while the publisher is held back, the slow reader stops the others, too, although such a server may still
//! reply to the questions of other clients.

use std::time::{Duration, Instant};

use echoctl_record::{self as record, Service};
use socket2::Socket;

use super::{BUFFER, Bystanders, LIMIT};
use crate::Error;
use crate::attack::clients::Clients;
use crate::attack::connection::AuditConnection;
use crate::attack::connector::Connector;
use crate::script::{Script, SendMode};
use crate::sys::{self, Interest};

/// A healthy subscriber.
#[derive(Debug)]
pub(in crate::attack) struct Subscriber {
    connection: AuditConnection,
    /// Bytes that came since the setup.
    heard: u64,
    /// How often something came after a pause.
    messages: u64,
    /// When something came last.
    heard_at: Instant,
    longest: Duration,
    /// How long it waits.
    limit: Duration,
    is_stalled: bool,
    during: Option<bool>,
    is_asked: bool,
    buffer: Vec<u8>,
}

impl Subscriber {
    /// A subscriber beside the slow readers among `clients`, if the script has a publisher; it waits as long as the `others`. `None` as
    /// well if the server does not accept it, or closes another connection because of it: to the server it is the same client then.
    ///
    /// # Errors
    /// When another process listens at the address by now, or the audit is interrupted.
    pub(in crate::attack) fn join(
        script: &Script,
        others: Option<&Bystanders>,
        clients: &mut Clients,
        connector: &mut Connector<'_>,
    ) -> Result<Option<Subscriber>, Error> {
        let is_repeated = matches!(script.stimulus.send, SendMode::Repeat(_));
        if script.publisher.is_none() || !is_repeated {
            return Ok(None);
        }
        connector.renew(Instant::now() + JOINING);
        let connection = match connector.connect_and_converse("bystander's setup", &script.setup) {
            Ok(connection) => connection,
            Err(Error::Connect { .. } | Error::Tls(_) | Error::Http2(_) | Error::Step { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let joined = Instant::now();
        while joined.elapsed() < TAKING_OVER {
            connector.check_stop()?;
            if clients.has_closed() {
                return Ok(None);
            }
            sys::wait(&clients.sockets_to_read(), Duration::from_millis(10));
        }
        Ok(Some(Subscriber {
            connection,
            heard: 0,
            messages: 0,
            heard_at: joined,
            longest: Duration::ZERO,
            limit: others.map_or(LIMIT, Bystanders::limit),
            is_stalled: false,
            during: None,
            is_asked: false,
            buffer: vec![0; BUFFER],
        }))
    }

    /// Tells whether the publisher is held back, so that silence is not the publisher's.
    pub(in crate::attack) fn note_stall(&mut self, is_stalled: bool) {
        self.is_stalled = is_stalled;
    }

    /// Reads what has come.
    pub(in crate::attack) fn attend(&mut self, now: Instant) {
        let mut count = 0;
        for _ in 0..MOST_READS {
            let read = self.connection.read(&mut self.buffer);
            count += read;
            if read == 0 {
                break;
            }
        }
        let waited = now.saturating_duration_since(self.heard_at);
        if self.is_served() && (count > 0 || self.is_stalled) {
            self.longest = self.longest.max(waited);
        }
        if count > 0 {
            self.heard += count as u64;
            self.messages += 1;
            self.heard_at = now;
        }
        // One that was disconnected waits for nothing.
        let is_waiting = self.is_stalled && self.connection.closed().is_none();
        if self.is_served() && is_waiting && waited >= self.limit {
            self.during = Some(false);
        }
    }

    /// Asks whether it is served now.
    pub(in crate::attack) fn ask(&mut self, now: Instant) {
        let is_recent = now.saturating_duration_since(self.heard_at) < RECENTLY;
        if self.is_served() && self.during.is_none() && is_recent {
            self.during = Some(true);
        }
        let is_waiting = self.is_stalled && self.connection.closed().is_none();
        self.is_asked = self.is_served() && self.during.is_none() && is_waiting;
    }

    /// Whether that is known.
    pub(in crate::attack) fn is_answered(&mut self, now: Instant) -> bool {
        let before = self.messages;
        self.attend(now);
        if self.is_asked && self.messages > before {
            self.during = Some(true);
        }
        self.is_asked &= self.during.is_none() && self.connection.closed().is_none();
        !self.is_asked
    }

    /// What to wait for.
    pub(in crate::attack) fn socket(&self) -> Option<(&Socket, Interest)> {
        let interest = Interest { read: true, write: false };
        self.connection.closed().is_none().then(|| self.connection.waited(interest))
    }

    /// How it was served, if it was, and how the `others` were.
    pub(in crate::attack) fn evidence(
        &self,
        others: Option<record::Bystanders>,
    ) -> Option<record::Bystanders> {
        let service = Service {
            replies: self.messages,
            longest: self.longest.as_secs_f64(),
            during: self.during,
            ..Service::default()
        };
        if !self.is_served() {
            return others;
        }
        let only = record::Bystanders { limit: self.limit.as_secs_f64(), ..record::Bystanders::default() };
        Some(record::Bystanders { serves_several: true, subscriber: Some(service), ..others.unwrap_or(only) })
    }

    /// Whether it got more than a greeting.
    fn is_served(&self) -> bool {
        self.heard >= SERVED
    }
}

/// Time limit for its connection and setup.
const JOINING: Duration = Duration::from_secs(1);

/// Time in which a server closes the connection of a client that connects again.
const TAKING_OVER: Duration = Duration::from_millis(60);

/// Bytes that are more than a greeting or a history.
const SERVED: u64 = 64 << 10;

/// Silence that needs no explanation while a publisher sends.
const RECENTLY: Duration = Duration::from_millis(500);

/// Reads at a time, so that a server that never stops sending does not occupy the thread.
const MOST_READS: usize = 16;

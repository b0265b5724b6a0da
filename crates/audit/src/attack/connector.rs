//! Opens connections, only to listening sockets that may be attacked, and only within the time limit.
//!
//! The owner of the listening socket is checked before connecting, so that another process is not even connected to, and again
//! before anything is sent, because the listener may have changed in between.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_trial::spawn::{Descendants, ForeignListener, Listeners, Owner};

use super::connection::{AuditConnection, Destination, Role};
use super::exchange::converse;
use crate::Error;
use crate::script::Step;
use crate::sys::{self, Interest};

/// Whose listening sockets may be attacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Permitted {
    /// Those of any process: the user agreed.
    #[default]
    Any,
    /// Those of the user with this id. A listener that is not visible on this host (a forwarded port) is permitted.
    User(u32),
    /// Only those of a target.
    Target(Descendants),
}

/// Opens connections to one address.
#[derive(Debug)]
pub(super) struct Connector<'a> {
    to: Destination,
    permitted: Permitted,
    listeners: Option<Listeners>,
    /// Listening sockets that were checked and are permitted.
    known: BTreeSet<u32>,
    deadline: Instant,
    stop: &'a AtomicBool,
    /// The only connection that a server accepts, if it is one of those that accept one.
    kept: Option<AuditConnection>,
}

impl Connector<'_> {
    /// A connector to a server, which refuses after `deadline` or when `stop` is set.
    pub(super) fn new(
        to: Destination,
        permitted: Permitted,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Connector<'_> {
        Connector {
            to,
            permitted,
            listeners: Listeners::open().ok(),
            known: BTreeSet::new(),
            deadline,
            stop,
            kept: None,
        }
    }

    /// From now on it refuses after `deadline`.
    pub(super) fn renew(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Takes a connection that was made, and gives it out instead of the next one.
    pub(super) fn keep(&mut self, connection: AuditConnection) {
        self.kept = Some(connection);
    }

    /// Begins to connect and does not wait. Before anything is sent, the caller waits until the connection
    /// [is connected](AuditConnection::is_connected), calls [`check_made`](Connector::check_made) and
    /// lets it [shake hands](AuditConnection::shake_hands).
    ///
    /// # Errors
    /// [`Error::ListenerChanged`] when another process listens there; [`Error::Connect`]; [`Error::Interrupted`].
    pub(super) fn begin(
        &mut self,
        role: Role,
        receive_buffer: Option<usize>,
    ) -> Result<AuditConnection, Error> {
        self.check_stop()?;
        self.check(None)?;
        AuditConnection::begin(&self.to, role, receive_buffer)
    }

    /// Checks again that something may be sent over a connection that was made.
    ///
    /// # Errors
    /// As [`begin`](Connector::begin).
    pub(super) fn check_made(&mut self, connection: &AuditConnection) -> Result<(), Error> {
        self.check(Some(connection))
    }

    /// # Errors
    /// [`Error::Interrupted`] when the audit is to stop.
    pub(super) fn check_stop(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Whether a connection is refused, soon. If not, it is closed again.
    ///
    /// # Errors
    /// As [`begin`](Connector::begin), except [`Error::Connect`].
    pub(super) fn is_refused(&mut self) -> Result<bool, Error> {
        match self.connect_until(Instant::now() + REFUSING, Role::Bystander, None) {
            Err(Error::Connect { source, .. }) => Ok(source.kind() == ErrorKind::ConnectionRefused),
            Err(Error::Tls(_) | Error::Http2(_)) => Ok(false),
            other => other.map(|_| false),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`begin`](Connector::begin).
    fn connect(&mut self, role: Role, receive_buffer: Option<usize>) -> Result<AuditConnection, Error> {
        if let Some(connection) = self.kept.take() {
            return Ok(connection);
        }
        let timeout = self.deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT);
        self.connect_until(Instant::now() + timeout.max(SHORTEST_CONNECT), role, receive_buffer)
    }

    fn connect_until(
        &mut self,
        deadline: Instant,
        role: Role,
        receive_buffer: Option<usize>,
    ) -> Result<AuditConnection, Error> {
        let mut connection = self.begin(role, receive_buffer)?;
        while !connection.is_connected()? {
            self.check_stop()?;
            if Instant::now() >= deadline {
                return Err(Error::Connect {
                    addr: self.to.addr.clone(),
                    source: ErrorKind::TimedOut.into(),
                });
            }
            let until_made = Interest { read: false, write: true };
            sys::wait(&[connection.waited(until_made)], Duration::from_millis(20));
        }
        self.check_made(&connection)?;
        let began = Instant::now();
        while !connection.shake_hands()? {
            self.check_stop()?;
            if Instant::now() >= deadline {
                return Err(connection.late(began.elapsed()));
            }
            let until_answered = Interest { read: true, write: false };
            sys::wait(&[connection.waited(until_answered)], Duration::from_millis(20));
        }
        Ok(connection)
    }

    /// Connects and carries out the steps of a script.
    ///
    /// # Errors
    /// As [`connect`](Connector::connect), and [`Error::Step`] when an answer does not arrive in time.
    pub(super) fn connect_and_converse(
        &mut self,
        name: &str,
        steps: &[Step],
    ) -> Result<AuditConnection, Error> {
        let mut connection = self.connect(Role::Bystander, None)?;
        converse(&mut connection, name, steps, self.deadline, self.stop)?;
        Ok(connection)
    }

    /// Connects a client that attacks, whose receive queue may have a fixed size, and carries out its setup.
    ///
    /// # Errors
    /// As [`connect_and_converse`](Connector::connect_and_converse).
    pub(super) fn connect_attacker(
        &mut self,
        setup: &[Step],
        role: Role,
        receive_buffer: Option<usize>,
    ) -> Result<AuditConnection, Error> {
        let mut connection = self.connect(role, receive_buffer)?;
        converse(&mut connection, "setup", setup, self.deadline, self.stop)?;
        Ok(connection)
    }

    /// Checks that every socket that could accept the connection may be attacked. With a `connection` that was made, the server's
    /// end of it is checked if nothing listens any more: some servers accept only one connection.
    fn check(&mut self, connection: Option<&AuditConnection>) -> Result<(), Error> {
        if self.permitted == Permitted::Any {
            return Ok(());
        }
        let listeners = match &mut self.listeners {
            Some(listeners) => listeners,
            None if cfg!(target_os = "linux") && self.permitted.target().is_some() => {
                self.listeners.insert(Listeners::open()?)
            }
            None => return Ok(()),
        };
        let sockets = listeners.accepting(&self.to.addr)?;
        match self.permitted {
            Permitted::Any => {}
            Permitted::User(uid) => {
                if let Some(socket) = sockets.iter().find(|socket| socket.uid != Some(uid)) {
                    return Err(Error::ListenerChanged(ForeignListener::of(socket)));
                }
            }
            Permitted::Target(target) => {
                if sockets.is_empty()
                    && let Some(listener) =
                        connection.and_then(|connection| connection.foreign_listener(listeners, target))
                {
                    return Err(Error::ListenerChanged(listener));
                }
                if sockets.iter().all(|socket| self.known.contains(&socket.inode)) {
                    return Ok(());
                }
                match listeners.owner(&self.to.addr, target)? {
                    Owner::NoListener => {}
                    Owner::Target { inodes } => self.known.extend(inodes),
                    Owner::ForeignListener(listener) => return Err(Error::ListenerChanged(listener)),
                }
            }
        }
        Ok(())
    }
}

impl Permitted {
    /// The processes of a target, if only they may be attacked.
    pub(super) fn target(self) -> Option<Descendants> {
        match self {
            Permitted::Target(target) => Some(target),
            Permitted::User(_) | Permitted::Any => None,
        }
    }
}

/// Time limit for a connection: the kernel makes it without the server's help, so more time does not help.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time in which the kernel of a server nearby refuses one.
const REFUSING: Duration = Duration::from_millis(200);

/// The least time for one, in which a server on this host is reached even if the time for all connections is over.
const SHORTEST_CONNECT: Duration = Duration::from_millis(1);

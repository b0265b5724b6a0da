//! Opens connections, only to listening sockets that may be attacked, and only within the time limit.
//!
//! The owner of the listening socket is checked before connecting, so that another process is not even connected to, and again
//! before anything is sent, because the listener may have changed in between.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_trial::spawn::{Descendants, ForeignListener, Listeners, Owner};

use super::connection::AuditConnection;
use super::exchange::converse;
use crate::Error;
use crate::script::Step;

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
    addr: SocketAddr,
    permitted: Permitted,
    listeners: Option<Listeners>,
    /// Listening sockets that were checked and are permitted.
    known: BTreeSet<u32>,
    deadline: Instant,
    stop: &'a AtomicBool,
}

impl Connector<'_> {
    /// A connector to `addr`, which refuses after `deadline` or when `stop` is set.
    pub(super) fn new(
        addr: SocketAddr,
        permitted: Permitted,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Connector<'_> {
        Connector {
            addr,
            permitted,
            listeners: Listeners::open().ok(),
            known: BTreeSet::new(),
            deadline,
            stop,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::ListenerChanged`] when another process listens there; [`Error::Connect`]; [`Error::Interrupted`].
    fn connect(&mut self, receive_buffer: Option<usize>) -> Result<AuditConnection, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        self.check(None)?;
        let timeout = self.deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT);
        // std refuses a timeout of 0.
        let timeout = timeout.max(Duration::from_millis(1));
        let connection = AuditConnection::connect(self.addr, timeout, receive_buffer)?;
        self.check(Some(&connection))?;
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
        let mut connection = self.connect(None)?;
        converse(&mut connection, name, steps, self.deadline, self.stop)?;
        Ok(connection)
    }

    /// Connects a slow reader whose receive queue may have a fixed size, and carries out its setup.
    ///
    /// # Errors
    /// As [`connect_and_converse`](Connector::connect_and_converse).
    pub(super) fn connect_slow_reader(
        &mut self,
        setup: &[Step],
        receive_buffer: Option<usize>,
    ) -> Result<AuditConnection, Error> {
        let mut connection = self.connect(receive_buffer)?;
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
        let sockets = listeners.accepting(self.addr)?;
        match self.permitted {
            Permitted::Any => {}
            Permitted::User(uid) => {
                if let Some(socket) = sockets.iter().find(|socket| socket.uid != uid) {
                    return Err(Error::ListenerChanged(ForeignListener::of(socket)));
                }
            }
            Permitted::Target(target) => {
                if sockets.is_empty()
                    && let Some(listener) = connection
                        .and_then(|connection| listeners.foreign_listener_at(connection.addresses(), target))
                {
                    return Err(Error::ListenerChanged(listener));
                }
                if sockets.iter().all(|socket| self.known.contains(&socket.inode)) {
                    return Ok(());
                }
                match listeners.owner(self.addr, target)? {
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

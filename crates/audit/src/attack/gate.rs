//! The gate: the only way to a connection. It opens connections to sockets that may be attacked, within the time there is.
//!
//! Who listens is looked at before a connection is made, so that a stranger is not even connected to, and once more before
//! anything is sent, since a listener may have changed hands in between.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::link::Link;
use crate::Error;
use crate::descendants::Descendants;
use crate::listeners::{Holding, Listeners, Stranger};
use crate::script::Step;

/// Whose listening sockets may be attacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Permitted {
    /// Anybody's: they were asked.
    #[default]
    Anybody,
    /// Those of the user with this id. What is not visible on this host (a forwarded port) is not theirs, and permitted.
    User(u32),
    /// Those of a target alone.
    Target(Descendants),
}

/// Makes connections to one address.
#[derive(Debug)]
pub(super) struct Gate<'a> {
    addr: SocketAddr,
    permitted: Permitted,
    listeners: Option<Listeners>,
    /// Listening sockets that were looked at and are permitted.
    known: BTreeSet<u32>,
    deadline: Instant,
    stop: &'a AtomicBool,
}

impl Gate<'_> {
    /// A gate to `addr`, which is shut at `deadline` or when `stop` is set.
    pub(super) fn new(
        addr: SocketAddr,
        permitted: Permitted,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Gate<'_> {
        Gate { addr, permitted, listeners: Listeners::open().ok(), known: BTreeSet::new(), deadline, stop }
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::ChangedHands`] when somebody else listens there; [`Error::Connect`]; [`Error::Interrupted`].
    pub(super) fn connect(&mut self) -> Result<Link, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        self.check(None)?;
        let patience = self.deadline.saturating_duration_since(Instant::now()).min(CONNECT_PATIENCE);
        // A timeout of 0 is refused by std.
        let link = Link::connect(self.addr, patience.max(Duration::from_millis(1)))?;
        self.check(Some(&link))?;
        Ok(link)
    }

    /// Carries out the steps of a script on a link.
    ///
    /// # Errors
    /// [`Error::Step`] when an answer does not come in time, [`Error::Interrupted`].
    pub(super) fn converse(&self, link: &mut Link, name: &str, steps: &[Step]) -> Result<(), Error> {
        link.converse(name, steps, self.deadline, self.stop)
    }

    /// Whether every socket that could take the connection may be attacked. Once connected, `link` is told, so that the
    /// server's end of it is looked at where nothing listens any more: some servers serve just one.
    fn check(&mut self, link: Option<&Link>) -> Result<(), Error> {
        if self.permitted == Permitted::Anybody {
            return Ok(());
        }
        let listeners = match &mut self.listeners {
            Some(listeners) => listeners,
            None if cfg!(target_os = "linux") && self.permitted.is_target() => {
                self.listeners.insert(Listeners::open().map_err(Error::Unseen)?)
            }
            None => return Ok(()),
        };
        let sockets = listeners.accepting(self.addr).map_err(Error::Unseen)?;
        match self.permitted {
            Permitted::Anybody => {}
            Permitted::User(uid) => {
                if let Some(socket) = sockets.iter().find(|socket| socket.uid != uid) {
                    return Err(Error::ChangedHands(Stranger::of(socket)));
                }
            }
            Permitted::Target(target) => {
                if sockets.is_empty()
                    && let Some(stranger) =
                        link.and_then(|link| listeners.stranger_at(link.ends_at(), target))
                {
                    return Err(Error::ChangedHands(stranger));
                }
                if sockets.iter().all(|socket| self.known.contains(&socket.inode)) {
                    return Ok(());
                }
                match listeners.holding(self.addr, target).map_err(Error::Unseen)? {
                    Holding::Nobody => {}
                    Holding::Target { inodes } => self.known.extend(inodes),
                    Holding::Stranger(stranger) => return Err(Error::ChangedHands(stranger)),
                }
            }
        }
        Ok(())
    }
}

impl Permitted {
    fn is_target(self) -> bool {
        matches!(self, Permitted::Target(_))
    }
}

/// Time for a connection to be made: the kernel makes it without the server's help, so that more is of no use.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

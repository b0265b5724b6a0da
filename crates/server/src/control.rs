//! Control of a server while it runs: its policy and limits, a pause of all reading, and its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::event::{Stats, Totals};
use crate::policy::Policy;
use crate::settings::Settings;
use crate::table::CloseCause;

/// Changes a server while it runs, from any thread. See [`Server::control`](crate::Server::control).
///
/// A change takes effect while peers are connected. What a connection has queued for its peer stays queued, in order, whatever
/// the new policy is, and the new policy decides what happens next: under `await` nothing more is read until the queue is written,
/// `drop` drops new frames while they do not fit, and `disconnect` disconnects a peer whose queue stays over the new limit.
///
/// When the server has ended, it has no connections and no statistics, and changes have no effect.
#[derive(Debug, Clone)]
pub struct Control {
    settings: Arc<Settings>,
}

/// One open connection, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    /// Address of the peer.
    pub peer: SocketAddr,
    /// The name that its first frame gave it, with [`Config::names`](crate::Config::names): at most 40 characters from outside,
    /// without control characters. Escape it before it is displayed.
    pub name: Option<Box<str>>,
    /// What has passed through it.
    pub totals: Totals,
    /// Bytes in its reply queue and frame buffer.
    pub buffered: usize,
    /// Whether the server waits until the kernel accepts output for it.
    pub has_pending_output: bool,
}

impl Control {
    pub(crate) fn new(settings: Arc<Settings>) -> Control {
        Control { settings }
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        self.settings.config().policy
    }

    /// Changes the policy, of open connections too.
    ///
    /// # Errors
    /// If the policy is invalid, or cannot be combined with the framing or the I/O model.
    pub fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        self.settings.change(|config| config.policy = policy)?;
        self.wake_connections();
        Ok(())
    }

    /// The write timeout now.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.settings.config().write_timeout
    }

    /// Changes the write timeout. The time of a peer that is stalled already runs from now on if there was none before.
    ///
    /// # Errors
    /// If the timeout is 0 or too long.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> Result<(), Error> {
        self.settings.change(|config| config.write_timeout = timeout)?;
        self.settings.timeout_changed.notify_one();
        Ok(())
    }

    /// The memory limit now.
    pub fn memory_limit(&self) -> u64 {
        self.settings.config().memory_limit
    }

    /// Changes the memory limit. If more is buffered, the connections that buffer most are reset.
    ///
    /// The [longest payload](crate::Config::longest_payload) of a connection depends on the limit at the time when it was opened.
    ///
    /// # Errors
    /// If the limit is 0.
    pub fn set_memory_limit(&self, bytes: u64) -> Result<(), Error> {
        self.settings.change(|config| config.memory_limit = bytes)?;
        if let Some(server) = self.settings.server() {
            server.apply_memory_limit();
        }
        Ok(())
    }

    /// Whether reading is paused.
    pub fn is_paused(&self) -> bool {
        self.settings.is_paused()
    }

    /// Pauses all connections or resumes them: while they are paused nothing is read, and pending replies are still written. A
    /// shutdown resumes them.
    pub fn set_paused(&self, paused: bool) {
        if let Some(server) = self.settings.server().filter(|_| self.is_paused() && !paused) {
            // What they were idle for was not their choice.
            server.table.restart_idle_times(server.now());
        }
        self.settings.set_paused(paused);
        self.wake_connections();
    }

    /// All open connections.
    pub fn connections(&self) -> Vec<ConnectionState> {
        self.settings.server().map_or_else(Vec::new, |server| server.table.connections())
    }

    /// Resets the connection with `peer`. Returns false if there is none, or it is being closed already.
    pub fn disconnect(&self, peer: SocketAddr) -> bool {
        self.settings.server().is_some_and(|server| server.table.close_peer(peer, CloseCause::Operator))
    }

    /// The server's state now.
    pub fn stats(&self) -> Stats {
        self.settings.server().map_or_else(Stats::default, |server| server.stats())
    }

    fn wake_connections(&self) {
        if let Some(server) = self.settings.server() {
            server.table.wake_all();
        }
    }
}

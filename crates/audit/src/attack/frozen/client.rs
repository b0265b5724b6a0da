//! A client's command, with its connections to the server.

use std::time::{Duration, Instant};

use echoctl_observe::ServerAddr;
use echoctl_trial::spawn::{ClientCommand, ClientLaunch, SpawnError};

use super::connections::ClientConnections;
use crate::Error;

/// How the clients of an attack are started, all in the same way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launcher<'a> {
    pub(super) launch: &'a ClientLaunch,
    /// The server, and its processes.
    pub(super) addr: &'a ServerAddr,
    pub(super) pids: &'a [u32],
}

/// A running client. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Client {
    command: ClientCommand,
    pub(super) connections: ClientConnections,
    started: Instant,
    /// When its connections are looked for next.
    look_at: Instant,
}

impl Launcher<'_> {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started, or when the kernel does not show its connections.
    pub(super) fn start(self) -> Result<Client, Error> {
        let connections = ClientConnections::new(self.addr, self.pids)?;
        let command = ClientCommand::start(self.launch, self.addr)?;
        let now = Instant::now();
        Ok(Client { command, connections, started: now, look_at: now })
    }
}

impl Client {
    /// How long it has been running.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Looks for new connections if that is due, and reads the counters of all.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if now >= self.look_at {
            self.connections.find(&self.command);
            let interval = if self.connections.is_empty() { LOOK } else { LOOK_AGAIN };
            self.look_at = now + interval.max(now.elapsed() * LOOK_SHARE);
        }
        self.connections.refresh(self.command.printed());
    }

    /// How its command exited, if none of its processes is running any more.
    pub(super) fn ended(&mut self) -> Option<String> {
        if self.command.is_over() { self.command.ended() } else { None }
    }

    /// What it printed last, ready to be appended to a sentence.
    pub(super) fn last_output(&self) -> String {
        match self.command.output() {
            nothing if nothing.is_empty() => "; it printed nothing".to_owned(),
            output => format!("; its last output:\n{output}"),
        }
    }

    /// Suspends it.
    ///
    /// # Errors
    /// [`SpawnError::NotFrozen`].
    pub(super) fn freeze(&mut self) -> Result<(), SpawnError> {
        self.command.freeze()
    }

    /// Lets it go on.
    pub(super) fn thaw(&mut self) {
        self.command.thaw();
    }
}

/// Interval at which the first connection is looked for: some replies are complete after some milliseconds.
const LOOK: Duration = Duration::from_millis(2);

/// Interval at which further ones are looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Looks use at most one part in this many of the time: one takes 0.2 ms, and some milliseconds on a busy host.
const LOOK_SHARE: u32 = 5;

//! Counts what other clients send to the flooded server, because its memory grows by that as well.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use echoctl_observe::SocketDiag;
use echoctl_verdict::flood::OtherInput;

/// The server's connections that are not ours. Linux only: elsewhere the kernel does not list them.
pub(crate) struct OtherClients {
    diag: SocketDiag,
    port: u16,
    /// Local addresses of our connections.
    own: HashSet<SocketAddr>,
    /// Bytes that the others had sent before the flood.
    before: u64,
    most: OtherInput,
    next: Instant,
}

impl OtherClients {
    /// Starts counting. `None` if the kernel does not list connections.
    pub(crate) fn new(server: SocketAddr, own: impl Iterator<Item = SocketAddr>) -> Option<OtherClients> {
        let mut others = OtherClients {
            diag: SocketDiag::open().ok()?,
            port: server.port(),
            own: own.map(canonical).collect(),
            before: 0,
            most: OtherInput::default(),
            next: Instant::now(),
        };
        others.before = others.count()?.received;
        Some(others)
    }

    /// Counts again, at most once per [`INTERVAL`].
    pub(crate) fn update(&mut self, now: Instant) {
        if now >= self.next {
            self.next = now + INTERVAL;
            self.update_now();
        }
    }

    /// Counts a last time, and returns the most that was counted.
    pub(crate) fn finish(mut self) -> OtherInput {
        self.update_now();
        self.most
    }

    fn update_now(&mut self) {
        if let Some(count) = self.count() {
            let count = OtherInput { received: count.received.saturating_sub(self.before), ..count };
            if count.received >= self.most.received {
                self.most = count;
            }
        }
    }

    fn count(&mut self) -> Option<OtherInput> {
        let connections = self.diag.connections(self.port).ok()?;
        let others = connections.iter().filter(|socket| !self.own.contains(&canonical(socket.remote)));
        Some(others.fold(OtherInput::default(), |sum, socket| OtherInput {
            received: sum.received + socket.info.and_then(|info| info.bytes_received).unwrap_or(0),
            connections: sum.connections + 1,
        }))
    }
}

/// A server on `[::]` has its IPv4 clients as IPv6 addresses.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Listing all sockets of a host takes up to 13 ms where there are 10,000.
const INTERVAL: Duration = Duration::from_secs(1);

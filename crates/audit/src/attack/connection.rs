//! One connection to the server, with what the kernel reports about both ends of it.
//!
//! The socket never blocks, so writing never waits for reading: the owner drives both.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_observe::{Side, SocketDiag, SocketMemory, TcpInfo, TcpState};
use echoctl_record::{DisconnectKind, Seconds};

use crate::Error;
use crate::script::Step;
use crate::sys::{self, Interest};

/// One connection to the server.
#[derive(Debug)]
pub(super) struct AuditConnection {
    socket: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    /// Bytes that the kernel accepted from us.
    pub(super) produced: u64,
    /// Bytes that we have read.
    pub(super) consumed: u64,
    /// How the connection was closed, if it was.
    pub(super) closed: Option<DisconnectKind>,
    /// Whether the server's end was ever visible, so that its absence means that it is closed.
    seen: bool,
}

impl AuditConnection {
    /// Connects within `timeout`, which must not be 0.
    pub(super) fn connect(addr: SocketAddr, timeout: Duration) -> Result<AuditConnection, Error> {
        let failed = |source| Error::Connect { addr, source };
        let socket = TcpStream::connect_timeout(&addr, timeout).map_err(failed)?;
        let (local, peer) = (socket.local_addr().map_err(failed)?, socket.peer_addr().map_err(failed)?);
        if local == peer {
            // If nothing listens at a port from the ephemeral range, a connection can be made to itself.
            return Err(failed(ErrorKind::ConnectionRefused.into()));
        }
        socket.set_nonblocking(true).map_err(failed)?;
        // A request smaller than a segment is sent immediately.
        socket.set_nodelay(true).map_err(failed)?;
        Ok(AuditConnection { local, peer, socket, produced: 0, consumed: 0, closed: None, seen: false })
    }

    /// The server's address and ours.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.peer, self.local)
    }

    /// The socket, to wait for.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Writes what the kernel accepts of `bytes`; returns 0 if it accepts nothing now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        if self.closed.is_some() {
            return 0;
        }
        match (&self.socket).write(bytes) {
            Ok(count) => {
                self.produced += count as u64;
                count
            }
            Err(error) => {
                self.note(&error);
                0
            }
        }
    }

    /// Reads what has arrived into `buffer`; returns 0 if nothing has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        match (&self.socket).read(buffer) {
            Ok(0) => {
                self.closed.get_or_insert(DisconnectKind::Closed);
                0
            }
            Ok(count) => {
                self.consumed += count as u64;
                count
            }
            Err(error) => {
                self.note(&error);
                0
            }
        }
    }

    /// Reads and discards what has arrived, at most [`MOST_DISCARDED`] bytes: a server may send faster than this reads.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) {
        let enough = self.consumed.saturating_add(MOST_DISCARDED);
        while self.consumed < enough && self.read(buffer) > 0 {}
    }

    fn note(&mut self, error: &io::Error) {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.closed.get_or_insert(DisconnectKind::Reset);
        }
    }

    /// Carries out the steps of a script, reading while it writes.
    ///
    /// # Errors
    /// [`Error::Step`] when the server closes the connection, or does not answer before `deadline`; [`Error::Interrupted`] when
    /// `stop` is set.
    pub(super) fn converse(
        &mut self,
        name: &str,
        steps: &[Step],
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        // The next answer may begin in the bytes that follow the previous one.
        let mut received = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if let Err(reason) = self.take_step(step, &mut received, deadline, stop) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                return Err(Error::Step { step: format!("{name}, step {}", index + 1), reason });
            }
        }
        Ok(())
    }

    fn take_step(
        &mut self,
        step: &Step,
        received: &mut Vec<u8>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<(), String> {
        let send = step.send.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let expected = step.expect.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let began = Instant::now();
        let mut sent = 0;
        let mut chunk = vec![0; 64 << 10];
        loop {
            sent += self.write(&send[sent..]);
            if !expected.is_empty() {
                let count = self.read(&mut chunk);
                received.extend_from_slice(&chunk[..count]);
            }
            let found = find(received, &expected);
            if let Some(at) = found
                && sent == send.len()
            {
                received.drain(..at + expected.len());
                return Ok(());
            }
            // Of a long answer, only the end can contain the beginning of the expected bytes.
            let excess = received.len().saturating_sub(expected.len().max(SEARCHED));
            received.drain(..excess);
            let is_closed = match self.closed {
                Some(_) => true,
                None if Instant::now() >= deadline || stop.load(Ordering::Relaxed) => false,
                None => {
                    let interest = Interest { read: !expected.is_empty(), write: sent < send.len() };
                    sys::wait(&[(&self.socket, interest)], Duration::from_millis(100));
                    continue;
                }
            };
            let (wanted, got) = (shown(&expected), shown(received));
            let waited = match began.elapsed().as_secs_f64() {
                long if long >= 1.0 => format!("{long:.0} s"),
                short => Seconds(short).to_string(),
            };
            return Err(match (is_closed, expected.is_empty()) {
                (true, true) => {
                    format!("the server closed the connection after {sent} of {} bytes were sent", send.len())
                }
                (true, false) => format!("the server closed the connection; expected {wanted}, got {got}"),
                (false, true) => format!("only {sent} of {} bytes could be sent within {waited}", send.len()),
                (false, false) => format!("expected {wanted} within {waited}, got {got}"),
            });
        }
    }

    /// The counters of both ends now.
    pub(super) fn counters(&mut self, diag: Option<&mut SocketDiag>) -> ConnectionCounters {
        let own = TcpInfo::of(&self.socket).ok();
        let found = diag.and_then(|diag| diag.find(self.peer, self.local).ok()).flatten();
        let own_state = own.map(|info| info.state);
        match own_state {
            Some(TcpState::CloseWait | TcpState::LastAck) => {
                _ = self.closed.get_or_insert(DisconnectKind::Closed)
            }
            Some(TcpState::Closed) => _ = self.closed.get_or_insert(DisconnectKind::Reset),
            _ => {}
        }
        match found.map(|found| found.state) {
            // A FIN of the server may be queued behind data that the slow reader does not read: only that end shows it.
            Some(
                TcpState::FinWait1
                | TcpState::FinWait2
                | TcpState::Closing
                | TcpState::LastAck
                | TcpState::TimeWait
                | TcpState::Closed,
            ) => _ = self.closed.get_or_insert(DisconnectKind::Closed),
            None if self.seen => _ = self.closed.get_or_insert(DisconnectKind::Reset),
            _ => {}
        }
        self.seen |= found.is_some();
        let info = found.and_then(|found| found.info);
        let received = info.and_then(|info| info.payload_received());
        let acked_here = own.and_then(|info| info.payload_acked(Side::Connecting));
        let own_memory = SocketMemory::of(&self.socket).ok().map(|memory| memory.total());
        let peers_memory = found.and_then(|found| found.memory).map(|memory| memory.total());
        ConnectionCounters {
            received: received.or(acked_here),
            read: received.zip(found).map(|(received, found)| received.saturating_sub(found.unread())),
            written: info
                .and_then(|info| info.payload_acked(Side::Accepting))
                .zip(found)
                .map(|(acked, found)| acked + found.unacknowledged()),
            arrived: own.and_then(|info| info.payload_received()),
            window: own.and_then(|info| info.snd_wnd).map(u64::from),
            kernel_memory: own_memory.zip(peers_memory).map(|(own, peers)| own + peers).or(own_memory),
        }
    }
}

/// What both kernels report about a connection, as cumulative bytes; `None` where it is not visible.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionCounters {
    /// Received by the server's kernel.
    pub(super) received: Option<u64>,
    /// Read by the server.
    pub(super) read: Option<u64>,
    /// Written by the server.
    pub(super) written: Option<u64>,
    /// Received by our kernel.
    pub(super) arrived: Option<u64>,
    /// The receive window that the server's kernel advertises.
    pub(super) window: Option<u64>,
    /// Kernel memory of both sockets.
    pub(super) kernel_memory: Option<u64>,
}

/// The position of `needle` in `hay`; 0 if it is empty.
pub(super) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    // In linear time for any input: both come from outside.
    memchr::memmem::find(hay, needle)
}

/// Bytes as text for an error, at most [`SHOWN`] of them.
fn shown(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let start = &bytes[..bytes.len().min(SHOWN)];
    let more = if bytes.len() > SHOWN { " …" } else { "" };
    format!("\"{}\"{more}", start.escape_ascii())
}

/// Bytes that are read and discarded at a time: some milliseconds' worth.
const MOST_DISCARDED: u64 = 16 << 20;

/// Bytes of an answer that are searched for the expected bytes.
const SEARCHED: usize = 1 << 20;

/// Bytes shown in an error.
const SHOWN: usize = 120;

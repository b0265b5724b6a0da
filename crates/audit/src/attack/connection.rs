//! One connection to the server, with what the kernel reports about both ends of it.
//!
//! The socket never blocks, so writing never waits for reading: the owner drives both.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_observe::{Side, SocketDiag, SocketEntry, SocketMemory, TcpInfo, TcpState};
use echoctl_record::DisconnectKind;

use crate::script::Step;
use crate::sys::{self, Interest};
use crate::{Error, StepFailure};

/// One connection to the server.
#[derive(Debug)]
pub(super) struct AuditConnection {
    socket: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    /// Bytes that the kernel accepted from us, and bytes that we have read.
    produced: u64,
    consumed: u64,
    /// The same at the end of the setup.
    at_setup: (u64, u64),
    closed: Option<DisconnectKind>,
    /// Whether the server's end was ever visible, so that its absence means that it is closed.
    seen: bool,
    counters: ConnectionCounters,
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
        Ok(AuditConnection {
            local,
            peer,
            socket,
            produced: 0,
            consumed: 0,
            at_setup: (0, 0),
            closed: None,
            seen: false,
            counters: ConnectionCounters::default(),
        })
    }

    /// The server's address and ours.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.peer, self.local)
    }

    /// The socket, to wait for.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Bytes that the kernel accepted from us.
    pub(super) fn produced(&self) -> u64 {
        self.produced
    }

    /// Bytes that we have read.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Bytes of the stimulus that were sent.
    pub(super) fn sent_stimulus(&self) -> u64 {
        self.produced - self.at_setup.0
    }

    /// Bytes that were read after the setup.
    pub(super) fn read_since_setup(&self) -> u64 {
        self.consumed - self.at_setup.1
    }

    /// How the connection was closed, if it was.
    pub(super) fn closed(&self) -> Option<DisconnectKind> {
        self.closed
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
                self.note_closed(DisconnectKind::Closed);
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
            self.note_closed(DisconnectKind::Reset);
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
            if let Err(failure) = self.take_step(step, &mut received, deadline, stop) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                return Err(Error::Step { step: format!("{name}, step {}", index + 1), failure });
            }
        }
        self.at_setup = (self.produced, self.consumed);
        Ok(())
    }

    fn take_step(
        &mut self,
        step: &Step,
        received: &mut Vec<u8>,
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<(), StepFailure> {
        let send = step.send.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let expected = step.expect.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let began = Instant::now();
        let mut sent = 0;
        let mut chunk = vec![0; 64 << 10];
        let is_closed = loop {
            sent += self.write(&send[sent..]);
            if !expected.is_empty() {
                let count = self.read(&mut chunk);
                received.extend_from_slice(&chunk[..count]);
            }
            if let Some(at) = find(received, &expected)
                && sent == send.len()
            {
                received.drain(..at + expected.len());
                return Ok(());
            }
            // Of a long answer, only the end can contain the beginning of the expected bytes.
            let excess = received.len().saturating_sub(expected.len().max(SEARCHED));
            received.drain(..excess);
            if self.closed.is_some() {
                break true;
            }
            if Instant::now() >= deadline || stop.load(Ordering::Relaxed) {
                break false;
            }
            let interest = Interest { read: !expected.is_empty(), write: sent < send.len() };
            sys::wait(&[(&self.socket, interest)], Duration::from_millis(100));
        };
        let (length, waited) = (send.len(), began.elapsed());
        let (wanted, received) = (shown(&expected), shown(received));
        Err(match (is_closed, expected.is_empty()) {
            (true, true) => StepFailure::ClosedWhileSending { sent, length },
            (true, false) => StepFailure::Closed { expected: wanted, received },
            (false, true) => StepFailure::NotSent { sent, length, waited },
            (false, false) => StepFailure::NoAnswer { expected: wanted, received, waited },
        })
    }

    /// What both kernels reported last.
    pub(super) fn counters(&self) -> &ConnectionCounters {
        &self.counters
    }

    /// Asks both kernels for the counters, and whether the connection is closed.
    pub(super) fn refresh(&mut self, diag: Option<&mut SocketDiag>) {
        let own = TcpInfo::of(&self.socket).ok();
        let found = diag.and_then(|diag| diag.find(self.peer, self.local).ok()).flatten();
        match own.map(|info| info.state) {
            Some(TcpState::CloseWait | TcpState::LastAck) => self.note_closed(DisconnectKind::Closed),
            Some(TcpState::Closed) => self.note_closed(DisconnectKind::Reset),
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
            ) => self.note_closed(DisconnectKind::Closed),
            None if self.seen => self.note_closed(DisconnectKind::Reset),
            _ => {}
        }
        self.seen |= found.is_some();
        let memory = SocketMemory::of(&self.socket).ok().map(|memory| memory.total());
        self.counters = ConnectionCounters::of(own, memory, found.as_ref());
    }

    fn note_closed(&mut self, how: DisconnectKind) {
        self.closed.get_or_insert(how);
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

impl ConnectionCounters {
    /// The counters, given our end with its memory, and the server's end if it is visible.
    fn of(own: Option<TcpInfo>, own_memory: Option<u64>, found: Option<&SocketEntry>) -> ConnectionCounters {
        let info = found.and_then(|found| found.info);
        let received = info.and_then(|info| info.payload_received());
        let acked_here = own.and_then(|info| info.payload_acked(Side::Connecting));
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

//! The connection: one connection to the server, and what the kernel says of both its counters.
//!
//! Its socket never blocks, so that a writer never waits for its reader: both are driven by whoever holds the connection.

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
    /// Bytes that the kernel has taken from us.
    pub(super) produced: u64,
    /// Bytes that we have read.
    pub(super) consumed: u64,
    /// How it ended, once it has.
    pub(super) ended: Option<DisconnectKind>,
    /// Whether the server's end was ever seen, so that its absence means that it is gone.
    seen: bool,
}

impl AuditConnection {
    /// Connects within `timeout`, which is not 0.
    pub(super) fn connect(addr: SocketAddr, timeout: Duration) -> Result<AuditConnection, Error> {
        let failed = |source| Error::Connect { addr, source };
        let socket = TcpStream::connect_timeout(&addr, timeout).map_err(failed)?;
        let (local, peer) = (socket.local_addr().map_err(failed)?, socket.peer_addr().map_err(failed)?);
        if local == peer {
            // Where nothing listens at a port that the kernel takes clients' ports from, a connection can meet itself.
            return Err(failed(ErrorKind::ConnectionRefused.into()));
        }
        socket.set_nonblocking(true).map_err(failed)?;
        // A request that is smaller than a segment is sent at once, as a client in a hurry would.
        socket.set_nodelay(true).map_err(failed)?;
        Ok(AuditConnection { local, peer, socket, produced: 0, consumed: 0, ended: None, seen: false })
    }

    /// The server's address and ours.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.peer, self.local)
    }

    /// Its socket, to be waited for.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Writes what the kernel takes of `bytes`; 0 when it takes nothing now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        if self.ended.is_some() {
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

    /// Reads what has arrived, into `buffer`; 0 when nothing has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        match (&self.socket).read(buffer) {
            Ok(0) => {
                self.ended.get_or_insert(DisconnectKind::Closed);
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

    /// Reads what has arrived and forgets it, at most [`MOST_DISCARDED`] bytes: a server may send faster than this reads.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) {
        let enough = self.consumed.saturating_add(MOST_DISCARDED);
        while self.consumed < enough && self.read(buffer) > 0 {}
    }

    fn note(&mut self, error: &io::Error) {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.ended.get_or_insert(DisconnectKind::Reset);
        }
    }

    /// Carries out the steps of a script, reading and writing at once.
    ///
    /// # Errors
    /// [`Error::Step`] when an answer does not come before `deadline`, or the server hangs up before;
    /// [`Error::Interrupted`] when `stop` is set.
    pub(super) fn converse(
        &mut self,
        name: &str,
        steps: &[Step],
        deadline: Instant,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        // What came behind one answer is where the next is looked for.
        let mut heard = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if let Err(reason) = self.take_step(step, &mut heard, deadline, stop) {
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
        heard: &mut Vec<u8>,
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
                heard.extend_from_slice(&chunk[..count]);
            }
            let found = find(heard, &expected);
            if let Some(at) = found
                && sent == send.len()
            {
                heard.drain(..at + expected.len());
                return Ok(());
            }
            // Of a long answer only its end can hold the beginning of what is awaited.
            let excess = heard.len().saturating_sub(expected.len().max(HEARD_KEPT));
            heard.drain(..excess);
            let problem = match self.ended {
                Some(_) => "the server hung up".to_owned(),
                None if Instant::now() >= deadline || stop.load(Ordering::Relaxed) => {
                    format!("no such answer came within {}", Seconds(began.elapsed().as_secs_f64()))
                }
                None => {
                    let interest = Interest { read: !expected.is_empty(), write: sent < send.len() };
                    sys::wait(&[(&self.socket, interest)], Duration::from_millis(100));
                    continue;
                }
            };
            return Err(match expected.is_empty() {
                true => format!("{problem} after {sent} of {} bytes were sent", send.len()),
                false => format!("{problem}; awaited {}, and got {}", shown(&expected), shown(heard)),
            });
        }
    }

    /// What both kernels say of it now.
    pub(super) fn counters(&mut self, diag: Option<&mut SocketDiag>) -> ConnectionCounters {
        let own = TcpInfo::of(&self.socket).ok();
        let found = diag.and_then(|diag| diag.find(self.peer, self.local).ok()).flatten();
        let own_state = own.map(|info| info.state);
        match own_state {
            Some(TcpState::CloseWait | TcpState::LastAck) => {
                _ = self.ended.get_or_insert(DisconnectKind::Closed)
            }
            Some(TcpState::Closed) => _ = self.ended.get_or_insert(DisconnectKind::Reset),
            _ => {}
        }
        match found.map(|found| found.state) {
            // A FIN of the server's may be stuck behind what the slow reader does not read: it shows at that end alone.
            Some(
                TcpState::FinWait1
                | TcpState::FinWait2
                | TcpState::Closing
                | TcpState::LastAck
                | TcpState::TimeWait
                | TcpState::Closed,
            ) => _ = self.ended.get_or_insert(DisconnectKind::Closed),
            None if self.seen => _ = self.ended.get_or_insert(DisconnectKind::Reset),
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

/// What both kernels say of a connection, in cumulative bytes; `None` where it is not visible.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionCounters {
    /// Arrived at the server's kernel.
    pub(super) received: Option<u64>,
    /// Read by the server.
    pub(super) read: Option<u64>,
    /// Written by the server.
    pub(super) written: Option<u64>,
    /// Arrived here.
    pub(super) arrived: Option<u64>,
    /// How much more the server's end is willing to take.
    pub(super) window: Option<u64>,
    /// Memory of both sockets in the kernel.
    pub(super) kernel_memory: Option<u64>,
}

/// Where `needle` begins in `hay`; an empty one is found at once.
pub(super) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    // In linear time whatever both hold: neither is ours.
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

/// Bytes that are read and forgotten at a time: some milliseconds' worth.
const MOST_DISCARDED: u64 = 16 << 20;

/// Bytes of an answer that are kept to be looked through.
const HEARD_KEPT: usize = 1 << 20;

/// Bytes shown in an error.
const SHOWN: usize = 120;

//! One connection to the server, which carries payload through up to two layers.
//!
//! ```text
//! payload bytes ── TLS session, if any ── wire: a socket that never blocks
//! what the script says                    what the kernels count
//! ```
//!
//! The owner drives it: nothing here waits, so writing never waits for reading. The users of a connection deal with payload; only
//! the ledger counts the bytes on the wire, those of the handshakes excepted.

mod fault;
mod kernel_view;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod wire;

use echoctl_observe::{Counters, ServerAddr, SocketTables};
use echoctl_record::DisconnectKind;
use echoctl_trial::spawn::{Descendants, ForeignListener, Listeners};
use socket2::Socket;

use crate::sys::Interest;
use crate::{Error, TlsPeer};
use fault::Fault;
pub(super) use tls::TlsConnector;
use tls::TlsSession;
use wire::Wire;

/// Where to connect to, and through which layers.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// The server's address.
    pub(super) addr: ServerAddr,
    /// Begins TLS sessions, if payload goes through one.
    pub(super) tls: Option<TlsConnector>,
}

#[cfg(test)]
impl Destination {
    /// This address, without layers.
    pub(super) fn plain(addr: std::net::SocketAddr) -> Destination {
        Destination { addr: addr.into(), tls: None }
    }
}

/// One connection to the server.
#[derive(Debug)]
pub(super) struct AuditConnection {
    wire: Wire,
    tls: Option<TlsSession>,
    /// Bytes on the wire in the handshakes: written, and read.
    in_handshakes: (u64, u64),
    /// Payload that was accepted from us, and that was read.
    sent: u64,
    received: u64,
    /// Payload that had been accepted at the end of the setup.
    sent_in_setup: u64,
    /// How a layer ended.
    fault: Option<Fault>,
}

impl AuditConnection {
    /// Begins to connect and does not wait: [`is_connected`](AuditConnection::is_connected) tells when it is done, and then
    /// [`shake_hands`](AuditConnection::shake_hands) begins the layers. `receive_buffer` fixes the size of our receive queue
    /// (SO_RCVBUF).
    pub(super) fn begin(to: &Destination, receive_buffer: Option<usize>) -> Result<AuditConnection, Error> {
        Ok(AuditConnection {
            wire: Wire::begin(&to.addr, receive_buffer)?,
            tls: to.tls.as_ref().map(TlsConnector::begin).transpose()?,
            in_handshakes: (0, 0),
            sent: 0,
            received: 0,
            sent_in_setup: 0,
            fault: None,
        })
    }

    /// Whether the connection is made.
    ///
    /// # Errors
    /// [`Error::Connect`] when it was refused.
    pub(super) fn is_connected(&mut self) -> Result<bool, Error> {
        self.wire.is_connected()
    }

    /// Goes on with the handshakes of the layers, once the connection is made. Returns whether payload can be sent.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub(super) fn shake_hands(&mut self) -> Result<bool, Error> {
        if let Some(tls) = &mut self.tls
            && !tls.shake_hands(&mut self.wire)?
        {
            return Ok(false);
        }
        self.in_handshakes = (self.wire.produced(), self.wire.consumed());
        Ok(true)
    }

    /// What was agreed on in the handshake of TLS.
    pub(super) fn tls(&self) -> Option<TlsPeer> {
        self.tls.as_ref().map(TlsSession::peer)
    }

    /// Leaves nothing on the wire that belongs to the handshakes and came after them, before the stimulus.
    pub(super) fn settle(&mut self) {
        if let Some(tls) = &mut self.tls {
            let before = self.wire.consumed();
            tls.settle(&mut self.wire);
            self.in_handshakes.1 += self.wire.consumed() - before;
        }
    }

    /// The owner of the server's end, if it is not `target`; `None` before the connection is accepted.
    pub(super) fn foreign_listener(
        &self,
        listeners: &mut Listeners,
        target: Descendants,
    ) -> Option<ForeignListener> {
        self.wire.foreign_listener(listeners, target)
    }

    /// The socket, and what to wait for if the caller wants to read or write.
    pub(super) fn waited(&self, wanted: Interest) -> (&Socket, Interest) {
        if self.wire.is_queued_out() {
            return (self.wire.socket(), Interest::default());
        }
        let has_queued = self.tls.as_ref().is_some_and(TlsSession::has_queued);
        (self.wire.socket(), Interest { write: wanted.write || has_queued, ..wanted })
    }

    /// Bytes on the wire that the kernel accepted from us.
    pub(super) fn produced(&self) -> u64 {
        self.wire.produced() - self.in_handshakes.0
    }

    /// Bytes on the wire that we have read.
    pub(super) fn consumed(&self) -> u64 {
        self.wire.consumed() - self.in_handshakes.1
    }

    /// Payload that was sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Payload that was read.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of the stimulus that were sent.
    pub(super) fn sent_stimulus(&self) -> u64 {
        self.sent - self.sent_in_setup
    }

    /// How the connection was closed, if it was.
    pub(super) fn closed(&self) -> Option<DisconnectKind> {
        self.wire.closed()
    }

    /// Sends what is accepted of `bytes`; returns 0 if nothing is now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let count = match &mut self.tls {
            Some(tls) => tls.write(&mut self.wire, bytes),
            None => self.wire.write(bytes),
        };
        self.sent += count as u64;
        count
    }

    /// Passes on to the kernel what waits in a layer.
    pub(super) fn flush(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.flush(&mut self.wire);
        }
    }

    /// Reads payload that has arrived into `buffer`; returns 0 if none has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let read = match &mut self.tls {
            Some(_) if self.fault.is_some() => return 0,
            Some(tls) => tls.read(&mut self.wire, buffer),
            None => Ok(self.wire.read(buffer)),
        };
        let count = read.unwrap_or_else(|fault| {
            self.fault = Some(fault);
            0
        });
        self.received += count as u64;
        count
    }

    /// Reads and discards what has arrived, at most [`MOST_DISCARDED`] bytes: a server may send faster than this reads.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) {
        let enough = self.received.saturating_add(MOST_DISCARDED);
        while self.received < enough && self.read(buffer) > 0 {}
    }

    /// What is sent from now on is the stimulus.
    pub(super) fn end_setup(&mut self) {
        self.sent_in_setup = self.sent;
    }

    /// The receive window that the server advertised last, over TCP.
    pub(super) fn window(&self) -> Option<u32> {
        self.wire.kernel().window()
    }

    /// The receive window that our end advertised last, over TCP.
    pub(super) fn own_window(&self) -> Option<u32> {
        self.wire.kernel().own_window()
    }

    /// Kernel memory of both ends, as far as it is visible.
    pub(super) fn kernel_memory(&self) -> Option<u64> {
        self.wire.kernel().kernel_memory()
    }

    /// The port of TCP at the server's end, if that was ever visible.
    pub(super) fn server_port(&self) -> Option<u16> {
        self.wire.kernel().server_port()
    }

    /// Whether the kernel accepts more output from the server; `None` if that is not visible.
    pub(super) fn is_server_writable(&self) -> Option<bool> {
        self.wire.kernel().is_server_writable()
    }

    /// The counters of the bytes on the wire, as reported last.
    pub(super) fn counters(&self) -> Counters {
        let (produced, consumed) = self.in_handshakes;
        let since = |count: Option<u64>, before: u64| count.map(|count| count.saturating_sub(before));
        let counters = self.wire.kernel().counters();
        Counters {
            server_received: since(counters.server_received, produced),
            server_read: since(counters.server_read, produced),
            server_written: since(counters.server_written, consumed),
            client_received: since(counters.client_received, consumed),
            ..counters
        }
    }

    /// Asks both kernels for the counters, and whether the connection is closed.
    pub(super) fn refresh(&mut self, tables: Option<&mut SocketTables>) {
        self.wire.refresh(tables);
    }
}

/// Bytes that are read and discarded at a time: some milliseconds' worth.
const MOST_DISCARDED: u64 = 16 << 20;

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;

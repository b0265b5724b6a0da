//! One connection to the server, which carries payload through up to two layers on its socket.
//!
//! ```text
//! payload bytes ── HTTP/2 session, if any ── TLS session, if any ── wire: a socket that never blocks
//! what the script says                                              what the kernels count
//! ```
//!
//! The owner drives it: nothing here waits, so writing never waits for reading. The users of a connection deal with payload; only
//! the ledger counts the bytes on the wire, those of the handshakes excepted.

mod channel;
mod fault;
mod http2;
mod kernel_view;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod wire;

#[cfg(test)]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echoctl_observe::{Counters, ServerAddr, SocketTables};
use echoctl_record::{DisconnectKind, Responses};
use echoctl_trial::spawn::{Descendants, ForeignListener, Listeners};
use socket2::Socket;

use crate::script::{Flood, Script};
use crate::sys::Interest;
use crate::{Error, Http2Error, TlsError, TlsPeer};
use channel::Channel;
use fault::Fault;
use http2::Http2Session;
pub(super) use http2::{Http2Requests, Role};
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
    /// What is asked for over HTTP/2, if payload goes through that.
    pub(super) http2: Option<Arc<Http2Requests>>,
}

#[cfg(test)]
impl Destination {
    /// This address, without layers.
    pub(super) fn plain(addr: SocketAddr) -> Destination {
        Destination { addr: addr.into(), tls: None, http2: None }
    }
}

/// One connection to the server.
#[derive(Debug)]
pub(super) struct AuditConnection {
    channel: Channel,
    http2: Option<Http2Session>,
    /// Bytes on the wire in the handshakes: written, and read.
    in_handshakes: (u64, u64),
    /// Payload that was accepted from us, and that was read.
    sent: u64,
    received: u64,
    /// Payload that had been accepted at the end of the setup.
    sent_in_setup: u64,
    /// How a layer ended, other than regularly.
    fault: Option<Fault>,
}

impl AuditConnection {
    /// Begins to connect and does not wait: [`is_connected`](AuditConnection::is_connected) tells when it is done, and then
    /// [`shake_hands`](AuditConnection::shake_hands) begins the layers. `receive_buffer` fixes the size of our receive queue
    /// (SO_RCVBUF).
    pub(super) fn begin(
        to: &Destination,
        role: Role,
        receive_buffer: Option<usize>,
    ) -> Result<AuditConnection, Error> {
        Ok(AuditConnection {
            channel: Channel {
                wire: Wire::begin(&to.addr, receive_buffer)?,
                tls: to.tls.as_ref().map(TlsConnector::begin).transpose()?,
            },
            http2: to.http2.as_ref().map(|requests| Http2Session::new(Arc::clone(requests), role)),
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
        self.channel.wire.is_connected()
    }

    /// Goes on with the handshakes of the layers, once the connection is made. Returns whether payload can be sent.
    ///
    /// # Errors
    /// [`Error::Tls`], [`Error::Http2`].
    pub(super) fn shake_hands(&mut self) -> Result<bool, Error> {
        let Channel { wire, tls } = &mut self.channel;
        if let Some(tls) = tls
            && !tls.shake_hands(wire)?
        {
            return Ok(false);
        }
        if let Some(http2) = &mut self.http2 {
            let chosen = self.channel.tls.as_ref().map(|tls| tls.peer().alpn);
            if let Some(chosen) = chosen.filter(|chosen| chosen.as_deref() != Some(Script::H2)) {
                return Err(TlsError::NoHttp2(chosen).into());
            }
            if !http2.shake_hands(&mut self.channel)? {
                return Ok(false);
            }
        }
        self.in_handshakes = (self.channel.wire.produced(), self.channel.wire.consumed());
        Ok(true)
    }

    /// The error of a handshake that has taken this long.
    pub(super) fn late(&self, waited: Duration) -> Error {
        match &self.channel.tls {
            Some(tls) if !tls.is_done() => TlsError::TimedOut(waited).into(),
            _ => Http2Error::TimedOut(waited).into(),
        }
    }

    /// What was agreed on in the handshake of TLS.
    pub(super) fn tls(&self) -> Option<TlsPeer> {
        self.channel.tls.as_ref().map(TlsSession::peer)
    }

    /// Leaves nothing on the wire that belongs to the handshakes and came after them, before the stimulus.
    pub(super) fn settle(&mut self) {
        let before = (self.produced(), self.taken());
        match &mut self.http2 {
            Some(http2) => {
                let settled = http2.settle(&mut self.channel);
                self.note(settled);
            }
            None => self.channel.settle(),
        }
        self.in_handshakes.0 += self.produced() - before.0;
        self.in_handshakes.1 += self.taken() - before.1;
    }

    /// Notes how a layer ended.
    fn note<T: Default>(&mut self, result: Result<T, Fault>) -> T {
        result.unwrap_or_else(|fault| {
            self.fault.get_or_insert(fault);
            T::default()
        })
    }

    /// The owner of the server's end, if it is not `target`; `None` before the connection is accepted.
    pub(super) fn foreign_listener(
        &self,
        listeners: &mut Listeners,
        target: Descendants,
    ) -> Option<ForeignListener> {
        self.channel.wire.foreign_listener(listeners, target)
    }

    /// The socket, and what to wait for if the caller wants to read or write.
    pub(super) fn waited(&self, wanted: Interest) -> (&Socket, Interest) {
        if self.channel.wire.is_queued_out() {
            return (self.channel.wire.socket(), Interest::default());
        }
        let http2 = self.http2.as_ref();
        let has_queued = self.channel.has_queued() || http2.is_some_and(Http2Session::has_queued);
        let reads = http2.is_some_and(Http2Session::reads_while_holding);
        let interest = Interest { read: wanted.read || reads, write: wanted.write || has_queued };
        (self.channel.wire.socket(), interest)
    }

    /// Bytes on the wire that the kernel accepted from us.
    pub(super) fn produced(&self) -> u64 {
        self.channel.wire.produced() - self.in_handshakes.0
    }

    /// Bytes on the wire that we have read, without the payload that is kept until it is asked for.
    pub(super) fn consumed(&self) -> u64 {
        self.taken().saturating_sub(self.http2.as_ref().map_or(0, Http2Session::kept))
    }

    /// Bytes that were taken from the wire.
    fn taken(&self) -> u64 {
        self.channel.wire.consumed() - self.in_handshakes.1
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
        self.channel.closed()
    }

    /// Sends what is accepted of `bytes`; returns 0 if nothing is now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let count = match &mut self.http2 {
            _ if self.fault.is_some() => 0,
            Some(http2) => http2.write(&mut self.channel, bytes),
            None => self.channel.write(bytes),
        };
        self.sent += count as u64;
        count
    }

    /// The frames that are repeated in place of a stimulus.
    pub(super) fn floods(&self) -> Option<Flood> {
        self.http2.as_ref()?.floods()
    }

    /// Sends about `bytes` of a flood. Returns the number of bytes; 0 if none is accepted now.
    pub(super) fn flood(&mut self, flood: Flood, bytes: u64) -> usize {
        let count = match &mut self.http2 {
            Some(http2) if self.fault.is_none() => http2.flood(&mut self.channel, flood, bytes),
            _ => 0,
        };
        self.sent += count as u64;
        count
    }

    /// Passes on to the kernel what waits in a layer, and does what the layers have to do by themselves. Nothing that the stall
    /// forbids is read.
    pub(super) fn go_on(&mut self) {
        match &mut self.http2 {
            Some(http2) if self.fault.is_none() => {
                let gone_on = http2.go_on(&mut self.channel);
                self.note(gone_on);
            }
            _ => self.channel.flush(),
        }
    }

    /// From now on, a slow reader does not read, until [`read`](AuditConnection::read) is called.
    pub(super) fn hold(&mut self) {
        if let Some(http2) = &mut self.http2 {
            http2.hold();
        }
    }

    /// Asks for what the script asks for over HTTP/2, if that was not done before.
    pub(super) fn begin_stimulus(&mut self) {
        if let Some(http2) = &mut self.http2 {
            http2.begin();
        }
    }

    /// Reads payload that has arrived into `buffer`; returns 0 if none has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let read = match &mut self.http2 {
            _ if self.fault.is_some() => Ok(0),
            Some(http2) => http2.read(&mut self.channel, buffer),
            None => self.channel.read(buffer),
        };
        let count = self.note(read);
        self.received += count as u64;
        count
    }

    /// Whether the response to a question over HTTP/2 is complete.
    pub(super) fn has_complete_response(&self) -> bool {
        self.http2.as_ref().is_some_and(Http2Session::is_answered)
    }

    /// Bytes of output that the windows of HTTP/2 still permit, as far as is known. What is on its way uses them up, too.
    pub(super) fn output_credit(&self) -> Option<u64> {
        let http2 = self.http2.as_ref().filter(|http2| http2.floods().is_none())?;
        let counters = self.counters();
        let on_its_way = counters.server_written.unwrap_or(0).saturating_sub(self.taken());
        Some(http2.credit()?.saturating_sub(on_its_way))
    }

    /// How many requests over HTTP/2 were answered, as far as is known.
    pub(super) fn responses(&self) -> Option<Responses> {
        self.http2.as_ref()?.responses()
    }

    /// Bytes of input that the windows of HTTP/2 still permit.
    pub(super) fn input_credit(&self) -> Option<u64> {
        self.http2.as_ref()?.input_credit()
    }

    /// What the server said at the end of HTTP/2.
    pub(super) fn closing(&self) -> Option<String> {
        self.http2.as_ref()?.said()
    }

    /// How the server violated the protocol of a layer, or ended it with an error.
    pub(super) fn violation(&self) -> Option<&str> {
        self.fault.as_ref().map(|fault| fault.0.as_str())
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
        self.channel.wire.kernel().window()
    }

    /// The receive window that our end advertised last, over TCP.
    pub(super) fn own_window(&self) -> Option<u32> {
        self.channel.wire.kernel().own_window()
    }

    /// Kernel memory of both ends, as far as it is visible.
    pub(super) fn kernel_memory(&self) -> Option<u64> {
        self.channel.wire.kernel().kernel_memory()
    }

    /// The port of TCP at the server's end, if that was ever visible.
    pub(super) fn server_port(&self) -> Option<u16> {
        self.channel.wire.kernel().server_port()
    }

    /// Whether the kernel accepts more output from the server; `None` if that is not visible.
    pub(super) fn is_server_writable(&self) -> Option<bool> {
        self.channel.wire.kernel().is_server_writable()
    }

    /// The counters of the bytes on the wire, as reported last.
    pub(super) fn counters(&self) -> Counters {
        let (produced, consumed) = self.in_handshakes;
        let since = |count: Option<u64>, before: u64| count.map(|count| count.saturating_sub(before));
        let counters = self.channel.wire.kernel().counters();
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
        self.channel.wire.refresh(tables);
    }
}

/// Bytes that are read and discarded at a time: some milliseconds' worth.
const MOST_DISCARDED: u64 = 16 << 20;

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;

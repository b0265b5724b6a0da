//! What carries bytes to a server and back: its socket, through TLS if there is a session.

use echoctl_record::DisconnectKind;

use super::fault::Fault;
use super::tls::TlsSession;
use super::wire::Wire;

/// A wire, with TLS on it or not.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) wire: Wire,
    pub(super) tls: Option<TlsSession>,
}

impl Channel {
    /// Sends what is accepted of `bytes`; returns 0 if nothing is now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.wire, bytes),
            None => self.wire.write(bytes),
        }
    }

    /// Passes on to the kernel what waits in TLS.
    pub(super) fn flush(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.flush(&mut self.wire);
        }
    }

    /// Whether something waits in TLS until the kernel accepts it.
    pub(super) fn has_queued(&self) -> bool {
        self.tls.as_ref().is_some_and(TlsSession::has_queued)
    }

    /// Reads what has arrived into `buffer`; returns 0 if nothing has.
    ///
    /// # Errors
    /// How the session of TLS ended, other than regularly.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.wire, buffer),
            None => Ok(self.wire.read(buffer)),
        }
    }

    /// Takes from the wire what has arrived and is not payload of TLS.
    pub(super) fn settle(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.settle(&mut self.wire);
        }
    }

    /// How the connection was closed, if it was.
    pub(super) fn closed(&self) -> Option<DisconnectKind> {
        self.wire.closed()
    }
}

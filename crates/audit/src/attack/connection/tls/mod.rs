//! A TLS session over a [`Wire`]: the handshake, and payload in records.
//!
//! Nothing is read from the wire unless payload is asked for, so a client that does not read leaves its records in the kernel. What is
//! written and the kernel does not accept is queued here, at most [`MOST_QUEUED`] bytes.

mod certificates;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_record::DisconnectKind;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, ProtocolVersion};

use super::fault::Fault;
use super::wire::Wire;
use crate::attack::first_bytes::FirstBytes;
use crate::{Error, Fingerprint, TlsError, TlsPeer, Trust};

/// Begins TLS sessions with one server.
#[derive(Debug, Clone)]
pub(in crate::attack) struct TlsConnector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Whether the server has asked for a client's certificate.
    is_asked: Arc<AtomicBool>,
}

/// One session.
#[derive(Debug)]
pub(super) struct TlsSession {
    connection: ClientConnection,
    /// Records that were read from the wire and not decrypted yet, and how many of their bytes were.
    records: Vec<u8>,
    decrypted: usize,
    /// What the server sent first, to say what it is if it does not speak TLS.
    first: FirstBytes,
    is_asked: Arc<AtomicBool>,
    /// When our part of the handshake was done.
    finished: Option<Instant>,
}

impl TlsConnector {
    /// A connector to a server of this name, which offers these protocols inside TLS.
    ///
    /// # Errors
    /// [`TlsError::ServerName`], [`TlsError::Root`].
    pub(in crate::attack) fn new(
        trust: &Trust,
        server_name: &str,
        alpn: &[String],
    ) -> Result<TlsConnector, Error> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| TlsError::ServerName(server_name.to_owned()))?;
        let is_asked = Arc::new(AtomicBool::new(false));
        let mut config = certificates::config(trust, Arc::clone(&is_asked))?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(TlsConnector { config: Arc::new(config), name, is_asked })
    }

    /// A session that has not begun its handshake.
    ///
    /// # Errors
    /// [`TlsError::Violated`]: none is expected.
    pub(super) fn begin(&self) -> Result<TlsSession, TlsError> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut connection = connection.map_err(|error| TlsError::Violated(error.to_string()))?;
        connection.set_buffer_limit(Some(MOST_QUEUED));
        Ok(TlsSession {
            connection,
            records: Vec::new(),
            decrypted: 0,
            first: FirstBytes::default(),
            is_asked: Arc::clone(&self.is_asked),
            finished: None,
        })
    }
}

impl TlsSession {
    /// Goes on with the handshake as far as possible without waiting. Returns whether it is done.
    ///
    /// # Errors
    /// The reason for which there will be no session.
    pub(super) fn shake_hands(&mut self, wire: &mut Wire) -> Result<bool, TlsError> {
        for _ in 0..MOST_FILLS {
            if !self.connection.is_handshaking() {
                break;
            }
            self.flush(wire);
            let is_closed = wire.closed().is_some();
            if self.fill(wire) == 0 {
                return if is_closed { Err(self.closed_early()) } else { Ok(false) };
            }
            self.first.note(&self.records);
            if let Err(error) = self.decrypt_all() {
                // It sends the alert that tells the server why.
                self.flush(wire);
                return Err(self.explain(&error));
            }
        }
        self.flush(wire);
        if self.connection.is_handshaking() || self.connection.wants_write() {
            return Ok(false);
        }
        let finished = *self.finished.get_or_insert_with(Instant::now);
        if self.is_asked() && finished.elapsed() < REFUSING {
            // It may refuse us only now.
            self.fill(wire);
            self.decrypt_all().map_err(|error| self.explain(&error))?;
            return if wire.closed().is_some() { Err(self.closed_early()) } else { Ok(false) };
        }
        Ok(true)
    }

    /// Whether our part of the handshake is done.
    pub(super) fn is_done(&self) -> bool {
        self.finished.is_some()
    }

    /// What was agreed on.
    pub(super) fn peer(&self) -> TlsPeer {
        let version = self.connection.protocol_version().map_or("", |version| match version {
            ProtocolVersion::TLSv1_2 => "TLS 1.2",
            _ => "TLS 1.3",
        });
        let suite = self.connection.negotiated_cipher_suite();
        let cipher = suite.and_then(|suite| suite.suite().as_str()).unwrap_or_default();
        let certificate = self.connection.peer_certificates().and_then(<[_]>::first);
        TlsPeer {
            version: version.to_owned(),
            cipher: cipher.to_owned(),
            alpn: self.alpn(),
            fingerprint: Fingerprint(certificate.map_or_else(Vec::new, certificates::fingerprint)),
        }
    }

    /// The protocol that the server chose for the inside, escaped for display.
    pub(super) fn alpn(&self) -> Option<String> {
        Some(self.connection.alpn_protocol()?.escape_ascii().to_string())
    }

    /// Encrypts what fits of `bytes` into the queue once that is empty, and writes what the kernel accepts. Returns the number of
    /// bytes that were encrypted.
    pub(super) fn write(&mut self, wire: &mut Wire, bytes: &[u8]) -> usize {
        self.flush(wire);
        if self.has_queued() || wire.closed().is_some() || bytes.is_empty() {
            return 0;
        }
        let count = self.connection.writer().write(bytes).unwrap_or(0);
        self.flush(wire);
        count
    }

    /// Writes what the kernel accepts of the queue.
    pub(super) fn flush(&mut self, wire: &mut Wire) {
        while self.has_queued() && wire.closed().is_none() {
            if !self.connection.write_tls(&mut Accepting(wire)).is_ok_and(|count| count > 0) {
                break;
            }
        }
    }

    /// Whether records wait until the kernel accepts them.
    pub(super) fn has_queued(&self) -> bool {
        self.connection.wants_write()
    }

    /// Reads payload that has arrived into `buffer`; returns 0 if none has.
    ///
    /// # Errors
    /// What the server said at the end of the session, or did wrong.
    pub(super) fn read(&mut self, wire: &mut Wire, buffer: &mut [u8]) -> Result<usize, Fault> {
        for _ in 0..MOST_FILLS {
            loop {
                match self.connection.reader().read(buffer) {
                    Ok(count @ 1..) => return Ok(count),
                    Ok(0) => wire.note_closed(DisconnectKind::Closed),
                    Err(_) => {}
                }
                if self.decrypted == self.records.len() {
                    break;
                }
                if let Err(error) = self.decrypt() {
                    self.flush(wire);
                    wire.note_closed(DisconnectKind::Reset);
                    return Err(fault(&error));
                }
            }
            if self.fill(wire) == 0 {
                break;
            }
        }
        // Answers that TLS itself asks for.
        self.flush(wire);
        Ok(0)
    }

    /// Reads what has arrived and is not payload, such as the tickets that follow a handshake. Payload is kept for later.
    pub(super) fn settle(&mut self, wire: &mut Wire) {
        self.fill(wire);
        // An error comes again when payload is read.
        let _ = self.decrypt_all();
    }

    /// Reads records from the wire, if all before were decrypted. Returns how many bytes wait to be decrypted.
    fn fill(&mut self, wire: &mut Wire) -> usize {
        if self.decrypted == self.records.len() {
            self.records.resize(READ, 0);
            let count = wire.read(&mut self.records);
            self.records.truncate(count);
            self.decrypted = 0;
        }
        self.records.len() - self.decrypted
    }

    /// Decrypts some of what was read from the wire; nothing while much payload waits to be read.
    ///
    /// # Errors
    /// A violation, as which counts a message that is longer than any.
    fn decrypt(&mut self) -> Result<(), rustls::Error> {
        let mut rest = &self.records[self.decrypted..];
        let before = rest.len();
        let accepted = self.connection.read_tls(&mut rest);
        self.decrypted += before - rest.len();
        let state = self.connection.process_new_packets()?;
        match accepted {
            Err(error) if state.plaintext_bytes_to_read() == 0 => {
                Err(rustls::Error::General(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Decrypts all that was read from the wire, as far as there is room for payload.
    fn decrypt_all(&mut self) -> Result<(), rustls::Error> {
        loop {
            let before = self.decrypted;
            self.decrypt()?;
            if self.decrypted == self.records.len() || self.decrypted == before {
                return Ok(());
            }
        }
    }

    fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Why the server closed the connection during the handshake.
    fn closed_early(&self) -> TlsError {
        match self.first.text() {
            _ if self.is_asked() => TlsError::ClientCertificate,
            Some(text) if !self.first.is_tls() => TlsError::NotTls(text),
            _ => TlsError::Closed,
        }
    }

    /// Why the handshake failed.
    fn explain(&self, error: &rustls::Error) -> TlsError {
        match (error, self.first.text()) {
            (rustls::Error::AlertReceived(_), _) if self.is_asked() => TlsError::ClientCertificate,
            (rustls::Error::AlertReceived(alert), _) => TlsError::Alert(name_of(*alert)),
            (rustls::Error::InvalidCertificate(reason), _) => TlsError::Untrusted(reason.to_string()),
            (_, Some(text)) if !self.first.is_tls() => TlsError::NotTls(text),
            _ => TlsError::Violated(error.to_string()),
        }
    }
}

/// What an error after the handshake says of the server.
fn fault(error: &rustls::Error) -> Fault {
    match error {
        rustls::Error::AlertReceived(alert) => Fault(format!("TLS alert: {}", name_of(*alert))),
        _ => Fault(format!("TLS: {error}")),
    }
}

/// An alert in words: `HandshakeFailure` is a handshake failure.
pub(super) fn name_of(alert: AlertDescription) -> String {
    let Some(name) = alert.as_str() else { return format!("number {}", u8::from(alert)) };
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() && !words.ends_with(char::is_uppercase) {
            words.push(' ');
        }
        words.push(letter);
    }
    words.to_lowercase()
}

/// The wire as TLS writes to it.
struct Accepting<'a>(&'a mut Wire);

impl io::Write for Accepting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are queued for a kernel that accepts none: what one write passes on.
const MOST_QUEUED: usize = 64 << 10;

/// Bytes of records per read.
const READ: usize = 64 << 10;

/// Reads of records without payload in a row, so that a server that sends nothing else does not occupy the thread.
const MOST_FILLS: usize = 16;

/// Time in which a refusal of a client without a certificate comes, after the client's part of the handshake is done.
const REFUSING: Duration = Duration::from_millis(200);

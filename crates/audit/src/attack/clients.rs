//! The attacking clients: slow readers, and a publisher if they do not send the stimulus themselves.
//!
//! None of them blocks, so one thread drives them all.

use std::time::Instant;

use echoctl_record::{DisconnectKind, Responses};
use socket2::Socket;

use super::connection::{AuditConnection, Role};
use super::connector::Connector;
use super::drain::{Draining, EchoState};
use super::driver::{Progress, Read};
use super::first_bytes::FirstBytes;
use super::integrity::{EchoAssumption, EchoCheck};
use super::stimulus_stream::{StimulusStream, WRITE};
use super::token_bucket::TokenBucket;
use crate::Error;
use crate::script::Script;
use crate::sys::Interest;

/// The connections of an attack, set up and ready.
#[derive(Debug)]
pub(super) struct Clients {
    slow_readers: Vec<AuditConnection>,
    /// Sends in place of the slow readers, and reads its own replies.
    publisher: Option<AuditConnection>,
    stimulus: StimulusStream,
    /// Bytes that the server needs for an answer.
    unit: u64,
    /// Compares the replies of each slow reader with what it sent; none if a publisher sends.
    checks: Vec<EchoCheck>,
    /// Whether the script says that the server echoes.
    claims_echo: bool,
    /// What the slow readers read first.
    first: FirstBytes,
    buffer: Vec<u8>,
}

/// Carries out the steps of `script` that come before all others, on a connection of their own.
///
/// # Errors
/// No connection, or no answer to a step; [`Error::Interrupted`].
pub(super) fn prepare(script: &Script, connector: &mut Connector<'_>) -> Result<(), Error> {
    if !script.prepare.is_empty() {
        connector.connect_and_converse("prepare", &script.prepare)?;
    }
    Ok(())
}

impl Clients {
    /// Connects `count` slow readers, each with this SO_RCVBUF, and the publisher of `script`, and carries out its steps.
    ///
    /// # Errors
    /// No connection, or no answer to a step; [`Error::Interrupted`].
    pub(super) fn connect(
        script: &Script,
        count: u32,
        role: Role,
        receive_buffer: Option<usize>,
        connector: &mut Connector<'_>,
    ) -> Result<Clients, Error> {
        let slow_readers =
            (0..count).map(|_| connector.connect_attacker(&script.setup, role, receive_buffer));
        let slow_readers = slow_readers.collect::<Result<Vec<_>, _>>()?;
        let publisher = match &script.publisher {
            Some(publisher) => Some(connector.connect_and_converse("publisher's setup", &publisher.setup)?),
            None => None,
        };
        // What comes on several streams of one connection has no order.
        let is_in_order = script.http2.as_ref().is_none_or(|http2| http2.streams == 1);
        let checked = if publisher.is_none() && is_in_order { slow_readers.len() as u64 } else { 0 };
        Ok(Clients {
            slow_readers,
            publisher,
            stimulus: StimulusStream::new(&script.stimulus.send),
            unit: script.stimulus.unit().max(1),
            checks: (0..checked).map(EchoCheck::new).collect(),
            claims_echo: script.is_echo(),
            first: FirstBytes::default(),
            buffer: vec![0; BUFFER],
        })
    }

    /// Notes what is known about the server before its replies are compared with what was sent.
    pub(super) fn assume_echo(&mut self, assumption: EchoAssumption) {
        match assumption {
            EchoAssumption::Refuted => {
                self.checks.clear();
                self.claims_echo = false;
            }
            EchoAssumption::Proven | EchoAssumption::Unknown => {
                self.checks.iter_mut().for_each(|check| check.assume(assumption));
            }
        }
    }

    /// Those that do not read.
    pub(super) fn slow_readers(&self) -> &[AuditConnection] {
        &self.slow_readers
    }

    /// Those that send the stimulus: the publisher, or else the slow readers.
    pub(super) fn senders(&self) -> &[AuditConnection] {
        self.publisher.as_ref().map_or(&self.slow_readers, std::slice::from_ref)
    }

    /// All of them, each once.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut AuditConnection> {
        self.slow_readers.iter_mut().chain(&mut self.publisher)
    }

    /// Bytes on the wire that the kernel accepted from the senders.
    pub(super) fn produced(&self) -> u64 {
        self.senders().iter().map(AuditConnection::produced).sum()
    }

    /// Bytes on the wire that the slow readers have read.
    pub(super) fn consumed(&self) -> u64 {
        self.slow_readers.iter().map(AuditConnection::consumed).sum()
    }

    /// Payload that the senders have sent.
    pub(super) fn sent(&self) -> u64 {
        self.senders().iter().map(AuditConnection::sent).sum()
    }

    /// Payload that the slow readers have read.
    pub(super) fn received(&self) -> u64 {
        self.slow_readers.iter().map(AuditConnection::received).sum()
    }

    /// Leaves nothing on the wire that belongs to the handshakes, before the stimulus.
    pub(super) fn settle(&mut self) {
        self.all_mut().for_each(AuditConnection::settle);
    }

    /// Writes once to each sender, at most `left` bytes in total, and discards the replies to the publisher.
    pub(super) fn send(&mut self, bucket: &mut TokenBucket, mut left: u64, now: Instant) -> Progress {
        self.discard_replies();
        let mut progress = Progress::Done;
        let senders = match &mut self.publisher {
            Some(publisher) => std::slice::from_mut(publisher),
            None => &mut self.slow_readers,
        };
        for (number, sender) in (0..).zip(senders) {
            sender.hold();
            sender.begin_stimulus();
            sender.go_on();
            let (sent, flood) = (sender.sent_stimulus(), sender.floods());
            let length = self.stimulus.len().filter(|_| flood.is_none());
            let unsent = length.map_or(u64::MAX, |length| length.saturating_sub(sent));
            let wanted = unsent.min(left).min(WRITE as u64);
            if wanted == 0 {
                continue;
            }
            let allowed = bucket.allowed(now).min(wanted);
            // A small write costs as much as a large one, so it waits until the bucket has filled.
            if allowed < wanted.min(bucket.worthwhile()) {
                progress = progress.max(Progress::RateLimited);
                continue;
            }
            let count = match flood {
                Some(flood) => sender.flood(flood, allowed),
                None => sender.write(self.stimulus.part(number, sent..sent + allowed)),
            } as u64;
            bucket.spend(count);
            left = left.saturating_sub(count);
            progress = progress.max(if count > 0 { Progress::Sent } else { Progress::Blocked });
        }
        progress
    }

    /// What to wait for until a sender can go on after `progress`.
    pub(super) fn sockets_to_send(&self, progress: Progress) -> Vec<(&Socket, Interest)> {
        let interest = Interest { read: self.publisher.is_some(), write: progress == Progress::Blocked };
        open(self.senders()).map(|sender| sender.waited(interest)).collect()
    }

    /// Reads and discards the replies to the publisher.
    fn discard_replies(&mut self) {
        if let Some(publisher) = &mut self.publisher {
            publisher.discard(&mut self.buffer);
        }
    }

    /// Reads once from each slow reader into `drain`, and discards the replies to the publisher.
    pub(super) fn read(&mut self, drain: &mut Draining, now: Instant) -> Read {
        let read = self.read_once(|bytes| drain.note(bytes, now));
        drain.note_echo(self.echo());
        read
    }

    /// Reads once from each slow reader, passes on what came, and discards the replies to the publisher.
    pub(super) fn read_once(&mut self, mut note: impl FnMut(&[u8])) -> Read {
        let before = self.received();
        for (number, reader) in self.slow_readers.iter_mut().enumerate() {
            let count = reader.read(&mut self.buffer);
            let bytes = &self.buffer[..count];
            note(bytes);
            self.first.note(bytes);
            if let Some(check) = self.checks.get_mut(number) {
                check.note(bytes, &mut self.stimulus);
            }
        }
        let has_read = self.received() > before;
        self.discard_replies();
        if has_read {
            Read::Some
        } else if self.are_readers_closed() {
            Read::End
        } else {
            Read::Nothing
        }
    }

    /// Lets all do what their layers have to do by themselves.
    pub(super) fn go_on(&mut self) {
        self.all_mut().for_each(AuditConnection::go_on);
    }

    /// How many requests over HTTP/2 were answered, as far as is known.
    pub(super) fn responses(&self) -> Option<Responses> {
        let add = |one: Responses, other: Responses| Responses {
            requests: one.requests + other.requests,
            answered: one.answered + other.answered,
            status: one.status.or(other.status),
        };
        self.slow_readers
            .iter()
            .map(AuditConnection::responses)
            .reduce(|one, other| Some(add(one?, other?)))?
    }

    /// Bytes of output that the windows of HTTP/2 still permit to all slow readers.
    pub(super) fn output_credit(&self) -> Option<u64> {
        self.slow_readers.iter().map(AuditConnection::output_credit).sum()
    }

    /// Bytes of input that the windows of HTTP/2 still permit to any of the senders.
    pub(super) fn input_credit(&self) -> Option<u64> {
        self.senders().iter().filter_map(AuditConnection::input_credit).max()
    }

    /// What a server said at the end of a connection.
    pub(super) fn closing(&self) -> Option<String> {
        self.slow_readers.iter().chain(&self.publisher).find_map(AuditConnection::closing)
    }

    /// How a server violated its protocol.
    pub(super) fn violation(&self) -> Option<String> {
        let mut all = self.slow_readers.iter().chain(&self.publisher);
        all.find_map(AuditConnection::violation).map(str::to_owned)
    }

    /// What was read first, of what any slow reader read.
    pub(super) fn first(&self) -> &FirstBytes {
        &self.first
    }

    /// What the replies of all slow readers show so far.
    fn echo(&self) -> EchoState {
        let readers = self.slow_readers.iter().zip(&self.checks);
        let complete = |reader: &AuditConnection| reader.sent_stimulus() / self.unit * self.unit;
        let damage =
            self.checks.iter().filter_map(EchoCheck::damage).min_by_key(|damage| damage.fault.is_none());
        let is_refuted = damage.is_some_and(|damage| damage.fault.is_none());
        EchoState {
            is_echo: (self.claims_echo && !is_refuted) || self.checks.iter().any(EchoCheck::is_echo),
            missing: readers.map(|(reader, check)| check.missing(complete(reader))).sum(),
            is_open: self.slow_readers.iter().all(|reader| reader.closed().is_none()),
            damage: damage.filter(|damage| damage.fault.is_some() || self.claims_echo),
        }
    }

    /// What to wait for until a slow reader can be read.
    pub(super) fn sockets_to_read(&self) -> Vec<(&Socket, Interest)> {
        let interest = Interest { read: true, write: false };
        open(&self.slow_readers).map(|reader| reader.waited(interest)).collect()
    }

    /// Whether the server has closed one of the connections.
    pub(super) fn has_closed(&mut self) -> bool {
        self.all_mut().any(|connection| {
            connection.refresh(None);
            connection.closed().is_some()
        })
    }

    /// Closes all connections.
    pub(super) fn close(&mut self) {
        self.slow_readers.clear();
        self.publisher = None;
    }

    fn are_readers_closed(&self) -> bool {
        self.slow_readers.iter().all(|reader| reader.closed().is_some())
    }

    /// How the attack ended, if all slow readers or the publisher are closed.
    pub(super) fn closed(&self) -> Option<DisconnectKind> {
        let is_over =
            self.are_readers_closed() || self.senders().iter().all(|sender| sender.closed().is_some());
        let mut all = self.slow_readers.iter().chain(&self.publisher);
        all.find_map(AuditConnection::closed).filter(|_| is_over)
    }
}

/// What can be waited for: a closed socket is always ready, so that a wait for it and the others would be none.
fn open(connections: &[AuditConnection]) -> impl Iterator<Item = &AuditConnection> {
    connections.iter().filter(|connection| connection.closed().is_none())
}

/// Bytes per read: large, so that hundreds of MiB take a fraction of a second.
const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use echoctl_testkit::{eventually, never_reads, server};

    use super::super::connection::Destination;
    use super::*;

    fn connected(addr: SocketAddr, receive_buffer: Option<usize>) -> AuditConnection {
        let mut connection =
            AuditConnection::begin(&Destination::plain(addr), Role::SlowReader, receive_buffer).unwrap();
        eventually("the server is connected", || connection.is_connected().is_ok_and(|is_made| is_made));
        connection
    }

    #[test]
    fn a_closed_connection_is_not_waited_for() {
        let connect = |addr| connected(addr, None);
        let mut connections = [connect(server(drop)), connect(server(never_reads))];
        eventually("the server closes the first", || {
            connections[0].read(&mut [0; 1]);
            connections[0].closed().is_some()
        });

        let open: Vec<_> = open(&connections).collect();

        assert!(open.len() == 1 && std::ptr::eq(open[0], &connections[1]));
    }

    #[test]
    fn a_receive_buffer_is_set_before_the_handshake() {
        let addr = server(never_reads);

        let connection = connected(addr, Some(4096));

        let size = connection.waited(Interest::default()).0.recv_buffer_size().unwrap();
        assert!(size <= 2 * 4096, "{size}");
    }
}

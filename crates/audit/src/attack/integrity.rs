//! Compares an echo with what was sent, and says what is wrong with it first.
//!
//! A server is taken for an echo only when that is proved: it returned 4 KiB exactly as sent, or answered so before the attack. A
//! difference before that says only that it does not echo. The next stamp behind a difference shows what it means:
//!
//! ```text
//! sent      |cell 7 |cell 8 |cell 9 |
//! received  |cell 7 |cel|cell 9 |            a later cell follows: bytes are lost
//!           |cell 7 |cell 8 |cell 7 |        an earlier one: they are repeated
//!           |cell 7 |c?ll 8 |cell 9 |        the one that is due: they are changed
//! ```

use echoctl_record::EchoFault;

use super::stimulus_stream::StimulusStream;
use crate::cell::{STAMP, Stamp};

/// What is known about a server before its replies are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum EchoAssumption {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It echoed to another client.
    Proven,
    /// It sent one client's input to another one, so replies may contain the input of others.
    Refuted,
}

/// Where an echo first differs from what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage {
    /// Offset in what the server returned.
    pub(super) at: u64,
    /// What is wrong, if that is known; never before the server was proved to echo.
    pub(super) fault: Option<EchoFault>,
}

/// Compares the replies on one connection with what was sent over it.
#[derive(Debug)]
pub(super) struct EchoCheck {
    /// Number of the connection.
    connection: u64,
    assumption: EchoAssumption,
    /// Whether it has returned enough as it was sent.
    is_proven: bool,
    /// Bytes that came before the echo began.
    greeting: u64,
    /// Bytes that came, the greeting included.
    received: u64,
    state: State,
    /// The last bytes that came: those in which a cell may have begun, or all since a difference.
    tail: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All bytes so far are as sent.
    Equal,
    /// They differ from this offset on, and no stamp has said how yet.
    Differs(u64),
    /// What is wrong is known, or that the server does not echo.
    Explained(Damage),
}

impl EchoCheck {
    /// A check of the connection with this number.
    pub(super) fn new(connection: u64) -> EchoCheck {
        EchoCheck {
            connection,
            assumption: EchoAssumption::Unknown,
            is_proven: false,
            greeting: 0,
            received: 0,
            state: State::Equal,
            tail: Vec::new(),
        }
    }

    /// Notes what is known about the server.
    pub(super) fn assume(&mut self, assumption: EchoAssumption) {
        self.assumption = assumption;
    }

    /// Compares the next bytes that came with `stream`.
    pub(super) fn note(&mut self, bytes: &[u8], stream: &mut StimulusStream) {
        let from = self.received - self.greeting;
        // What follows the echo of a stimulus that is sent once is something else.
        let left = stream.len().map_or(u64::MAX, |length| length.saturating_sub(from));
        let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        // What was searched before has no cell that explains anything, except one that was not complete.
        let mut unsearched = (self.tail.len() + 1).saturating_sub(STAMP.end);
        if self.state == State::Equal {
            unsearched = 0;
            let same = equal_bytes(stream.part(self.connection, from..from + bytes.len() as u64), bytes);
            self.is_proven |= from + same as u64 >= PROOF;
            keep_last(&mut self.tail, PROOF as usize);
            if same < bytes.len() {
                self.state = State::Differs(self.received + same as u64);
            }
        }
        self.received += bytes.len() as u64;
        if let State::Explained(_) = self.state {
            return;
        }
        self.tail.extend_from_slice(bytes);
        if let State::Differs(at) = self.state {
            // A cell near the difference may be explained by the one that follows.
            let from = if self.received - at < PROOF { 0 } else { unsearched };
            self.explain(at, from, stream);
        }
    }

    /// Looks in the last bytes, from an index on, for a cell that explains the difference at `at`.
    fn explain(&mut self, at: u64, unsearched: usize, stream: &mut StimulusStream) {
        let cells = self.cells_in_tail(unsearched, stream);
        if let Some(greeting) = self.greeting_before(&cells, stream) {
            self.restart(greeting, stream);
            return;
        }
        let explained = match self.assumption {
            _ if !self.is_echo() => None,
            EchoAssumption::Proven if stream.mark().is_none() => Some(Some(EchoFault::Changed)),
            _ => cells
                .iter()
                .filter(|(came_at, cell)| *came_at >= at || is_followed(*came_at, *cell, &cells, stream))
                .find_map(|(came_at, cell)| self.explained_by(*came_at, *cell, at, stream)),
        };
        if let Some(fault) = explained.or((self.tail.len() >= SEARCHED).then_some(None)) {
            self.state = State::Explained(Damage { at, fault });
        }
    }

    /// Bytes that came before the first of these cells, if that was late and nothing else of the echo came before.
    fn greeting_before(&self, cells: &[(u64, u64)], stream: &StimulusStream) -> Option<u64> {
        let (came_at, _) = cells.iter().find(|(_, cell)| *cell == 0)?;
        let greeting = came_at.checked_sub(stream.start_of(0)?)?;
        (greeting > 0 && self.greeting == 0 && !self.is_proven).then_some(greeting)
    }

    /// What is wrong at `at`, if a `cell` that came at an offset says so. `Some(None)`: nothing is, but the server does not echo.
    fn explained_by(
        &self,
        came_at: u64,
        cell: u64,
        at: u64,
        stream: &StimulusStream,
    ) -> Option<Option<EchoFault>> {
        let meant_for = stream.start_of(cell)? + self.greeting;
        // The first cell that has not come before.
        let due = stream.cell_from((at - self.greeting + 1).saturating_sub(STAMP.end as u64));
        if came_at == meant_for && came_at < at {
            None
        } else if cell < due {
            Some(Some(EchoFault::Repeated))
        } else if came_at < meant_for {
            let is_torn = stream.tears_a_message(at - self.greeting, meant_for - came_at);
            Some(Some(if is_torn { EchoFault::Torn } else { EchoFault::Lost }))
        } else if came_at == meant_for {
            Some(Some(EchoFault::Changed))
        } else {
            // Other bytes came in between: perhaps those of another client, which a chat room sends to all on purpose.
            Some((self.assumption == EchoAssumption::Proven).then_some(EchoFault::Changed))
        }
    }

    /// Compares again, after a greeting.
    fn restart(&mut self, greeting: u64, stream: &mut StimulusStream) {
        let start = self.received - self.tail.len() as u64;
        let echo = self.tail.split_off((greeting - start) as usize);
        self.tail.clear();
        (self.greeting, self.received, self.state) = (greeting, greeting, State::Equal);
        self.note(&echo, stream);
    }

    /// The cells of this connection in the last bytes, from an index on: where each began, and its number.
    fn cells_in_tail(&self, from: usize, stream: &StimulusStream) -> Vec<(u64, u64)> {
        let Some(mark) = stream.mark() else { return Vec::new() };
        let tail = &self.tail[from..];
        let start = self.received - tail.len() as u64;
        let found = memchr::memmem::find_iter(tail, &mark.text);
        let cells = found.filter_map(|at| {
            let stamp = Stamp::read(tail[at..].get(STAMP)?.first_chunk()?, mark.digits)?;
            (stamp.connection == self.connection).then_some((start + at as u64, stamp.cell))
        });
        cells.collect()
    }

    /// Whether the server is known to echo, and nothing has shown that it does not.
    pub(super) fn is_echo(&self) -> bool {
        let is_refuted = matches!(self.state, State::Explained(Damage { fault: None, .. }));
        (self.is_proven || self.assumption == EchoAssumption::Proven) && !is_refuted
    }

    /// Bytes that are still to come of an echo of `sent` bytes.
    pub(super) fn missing(&self, sent: u64) -> u64 {
        self.greeting.saturating_add(sent).saturating_sub(self.received)
    }

    /// Where the replies first differ from what was sent.
    pub(super) fn damage(&self) -> Option<Damage> {
        match self.state {
            State::Equal => None,
            State::Differs(at) => Some(Damage { at, fault: None }),
            State::Explained(damage) => Some(damage),
        }
    }
}

/// How many bytes two slices have in common at their beginnings.
fn equal_bytes(sent: &[u8], came: &[u8]) -> usize {
    if sent == came {
        return came.len();
    }
    let differs = sent.iter().zip(came).position(|(sent, came)| sent != came);
    differs.unwrap_or(sent.len().min(came.len()))
}

/// Removes all but the last `most` bytes.
fn keep_last(bytes: &mut Vec<u8>, most: usize) {
    bytes.drain(..bytes.len().saturating_sub(most));
}

/// Whether the cell after one that came at an offset came where it belongs. If not, what looks like one cell may be the halves of two: the
/// bytes between them were lost, and the halves of their stamps are a third number.
fn is_followed(came_at: u64, cell: u64, cells: &[(u64, u64)], stream: &StimulusStream) -> bool {
    let (Some(start), Some(end)) = (stream.start_of(cell), stream.start_of(cell + 1)) else { return false };
    cells.contains(&(came_at + end - start, cell + 1))
}

/// Bytes that prove an echo: more than a status line, an error or a header that happens to be equal.
const PROOF: u64 = 4 << 10;

/// Bytes in which a stamp is searched for that says what is wrong: several reads of a server, whose pieces are its unit of mistakes.
const SEARCHED: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Mark;
    use crate::script::{Part, Payload, SendMode};

    /// Lines of 1 KiB, marked.
    fn lines() -> StimulusStream {
        let line = vec![Part::Fill { fill: "x".to_owned(), count: 1023 }, Part::Text("\n".to_owned())];
        StimulusStream::new(&SendMode::Repeat(Payload::new(line).marked(Mark::EXAMPLE)))
    }

    /// The check of a server that returns `edit` of the first 100 KiB that connection 2 sent, in pieces of any size.
    fn check(assumption: EchoAssumption, edit: impl Fn(&mut Vec<u8>)) -> EchoCheck {
        let mut checks = [1, 31, 1000, 40_000, 1 << 20].map(|size| {
            let mut stream = lines();
            let mut bytes = stream.part(2, 0..100 << 10).to_vec();
            edit(&mut bytes);
            let mut check = EchoCheck::new(2);
            check.assume(assumption);
            bytes.chunks(size).for_each(|piece| check.note(piece, &mut stream));
            check
        });
        let [first, others @ ..] = &mut checks;
        for other in others {
            assert_eq!(
                (other.damage(), other.is_echo(), other.missing(100 << 10)),
                (first.damage(), first.is_echo(), first.missing(100 << 10))
            );
        }
        let [first, ..] = checks;
        first
    }

    fn fault(edit: impl Fn(&mut Vec<u8>)) -> Option<(u64, Option<EchoFault>)> {
        check(EchoAssumption::Unknown, edit).damage().map(|damage| (damage.at, damage.fault))
    }

    fn cut(bytes: &mut Vec<u8>, from: usize, length: usize) {
        bytes.drain(from..from + length);
    }

    #[test]
    fn an_exact_echo_is_proven_and_complete() {
        let echo = check(EchoAssumption::Unknown, |_| {});

        assert_eq!((echo.damage(), echo.missing(100 << 10), echo.missing(101 << 10)), (None, 0, 1024));
        assert!(echo.is_echo());
    }

    #[test]
    fn lost_bytes_are_shown_by_a_later_stamp() {
        let whole = [(8192, 1024), (8192, 20 << 10)];
        // The other end of the hole is in a message, or both are at the same place of one.
        let torn = [(8192, 64), (8192 + 7, 5), (8192 + 40, 40_000), (9000, 20), (8192 + 500, 1024)];
        let both = whole.map(|cut| (cut, EchoFault::Lost)).into_iter();
        for ((from, length), expected) in both.chain(torn.map(|cut| (cut, EchoFault::Torn))) {
            let (at, fault) = fault(|bytes| cut(bytes, from, length)).unwrap();

            assert_eq!(fault, Some(expected), "{length} at {from}");
            assert!((from as u64..from as u64 + 128).contains(&at), "{length} at {from}: {at}");
        }
        // Halves of two stamps, which make a third number together.
        assert!(fault(|bytes| cut(bytes, 8192 + 31, 1024)).is_some_and(|(_, fault)| fault.is_some()));
    }

    #[test]
    fn repeated_bytes_are_shown_by_an_earlier_stamp() {
        for (from, length) in [(8192, 1024), (20_000, 9000), (9000, 64)] {
            let (_, fault) = fault(|bytes| {
                let again = bytes[from - length..from].to_vec();
                bytes.splice(from..from, again);
            })
            .unwrap();

            assert_eq!(fault, Some(EchoFault::Repeated), "{length} at {from}");
        }
    }

    #[test]
    fn changed_bytes_are_shown_by_the_stamp_that_is_due() {
        // In a fill, in a mark, in a stamp, and the end of a line.
        for at in [8192 + 50, 8192 + 3, 8192 + 20, 9215] {
            assert_eq!(fault(|bytes| bytes[at] = b'?'), Some((at as u64, Some(EchoFault::Changed))));
        }
    }

    #[test]
    fn bytes_of_another_client_are_a_fault_only_of_a_proven_echo() {
        let mix = |bytes: &mut Vec<u8>| {
            let other = lines().part(3, 0..1024).to_vec();
            bytes.splice(10 << 10..10 << 10, other);
        };

        let proven = check(EchoAssumption::Proven, mix).damage();
        let chat = check(EchoAssumption::Unknown, mix);

        assert_eq!(proven.unwrap().fault, Some(EchoFault::Changed));
        assert!(chat.damage().unwrap().fault.is_none() && !chat.is_echo());
    }

    #[test]
    fn a_greeting_before_an_echo_is_no_damage() {
        for assumption in [EchoAssumption::Unknown, EchoAssumption::Proven] {
            let echo = check(assumption, |bytes| drop(bytes.splice(0..0, *b"Welcome!\r\n")));

            assert_eq!((echo.damage(), echo.is_echo(), echo.missing(101 << 10)), (None, true, 1024));
        }
        let (at, fault) = fault(|bytes| {
            cut(bytes, 50_000, 5000);
            bytes.splice(0..0, *b"Welcome!\r\n");
        })
        .unwrap();
        assert_eq!(fault, Some(EchoFault::Torn));
        assert!((50_010..50_138).contains(&at), "{at}");
    }

    #[test]
    fn a_server_that_does_not_echo_has_no_fault() {
        let mut stream = StimulusStream::new(&SendMode::Repeat(Payload::text("GET / HTTP/1.1\r\n\r\n")));
        let mut check = EchoCheck::new(0);

        (0..100).for_each(|_| check.note(&b"HTTP/1.1 200 OK\r\n\r\nHello".repeat(1000), &mut stream));

        assert_eq!((check.damage(), check.is_echo()), (Some(Damage { at: 0, fault: None }), false));
        assert_eq!(fault(|bytes| bytes.fill(b'-')), Some((0, None)));
    }

    #[test]
    fn an_echo_without_stamps_is_only_changed() {
        let changed = |assumption| {
            let mut stream = StimulusStream::new(&SendMode::Repeat(Payload::text("hello\n")));
            let mut check = EchoCheck::new(0);
            check.assume(assumption);
            check.note(&b"hello\n".repeat(1000), &mut stream);
            check.note(b"help!\n", &mut stream);
            check.damage().map(|damage| (damage.at, damage.fault))
        };

        assert_eq!(changed(EchoAssumption::Proven), Some((6003, Some(EchoFault::Changed))));
        assert_eq!(changed(EchoAssumption::Unknown), Some((6003, None)));
    }

    #[test]
    fn what_follows_the_echo_of_a_single_stimulus_is_not_compared() {
        let mut stream = StimulusStream::new(&SendMode::Once(Payload::text("subscribe\n".repeat(1000))));
        let mut check = EchoCheck::new(0);

        check.note(&b"subscribe\n".repeat(1000), &mut stream);
        check.note(b"news\n", &mut stream);

        assert_eq!((check.damage(), check.is_echo(), check.missing(10_000)), (None, true, 0));
    }
}

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
//!
//! After a gap the comparison goes on at the cell behind it. A policy that drops messages leaves gaps between whole stimuli, wherever they
//! are, and every byte that comes is at its place after them; a write of which the rest is forgotten cuts one in two.

use echoctl_record::EchoFault;

use super::stimulus_stream::StimulusStream;
use crate::marks::{STAMP, Stamp};

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
    /// Whether nothing but whole stimuli is missing.
    pub(super) is_of_whole_units: bool,
}

impl Damage {
    /// One that is not explained.
    fn unexplained(at: u64) -> Damage {
        Damage { at, fault: None, is_of_whole_units: false }
    }

    /// How bad it is, the worst last: whole stimuli are missing by many a policy, and no policy repeats or changes bytes.
    pub(super) fn severity(&self) -> u8 {
        match self.fault {
            None => 0,
            Some(EchoFault::Lost) if self.is_of_whole_units => 1,
            Some(EchoFault::Lost) => 2,
            Some(EchoFault::Repeated | EchoFault::Changed) => 3,
        }
    }
}

/// Compares the replies on one connection with what was sent over it.
#[derive(Debug)]
pub(super) struct EchoCheck {
    /// Number of the connection.
    connection: u64,
    /// Bytes of a stimulus; 1 if it has no parts that belong together.
    unit: u64,
    assumption: EchoAssumption,
    /// Whether it has returned enough as it was sent.
    is_proven: bool,
    /// Bytes that came before the echo began.
    greeting: u64,
    /// Bytes that came, the greeting included.
    received: u64,
    /// Bytes that are missing in the gaps so far, and the worst of these gaps.
    skipped: u64,
    gap: Option<Damage>,
    state: State,
    /// The last bytes that came: those in which a cell may have begun, or all since a difference.
    tail: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All bytes so far are as sent, apart from gaps.
    Equal,
    /// They differ from this offset on, and no stamp has said how yet.
    Differs(u64),
    /// What is wrong is known, and no gap; or that the server does not echo.
    Explained(Damage),
}

impl EchoCheck {
    /// A check of the connection with this number, over which stimuli of `unit` bytes are sent.
    pub(super) fn new(connection: u64, unit: u64) -> EchoCheck {
        EchoCheck {
            connection,
            unit,
            assumption: EchoAssumption::Unknown,
            is_proven: false,
            greeting: 0,
            received: 0,
            skipped: 0,
            gap: None,
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
        bytes.chunks(PIECE).for_each(|piece| self.note_piece(piece, stream));
    }

    fn note_piece(&mut self, bytes: &[u8], stream: &mut StimulusStream) {
        let from = self.place_of(self.received);
        // What follows the echo of a stimulus that is sent once is something else.
        let left = stream.len().map_or(u64::MAX, |length| length.saturating_sub(from));
        let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        // What was searched before has no cell that explains anything, except one that was not complete.
        let mut unsearched = (self.tail.len() + 1).saturating_sub(STAMP.end);
        if self.state == State::Equal {
            unsearched = 0;
            let same = equal_bytes(stream.part(self.connection, from..from + bytes.len() as u64), bytes);
            self.is_proven |= self.received - self.greeting + same as u64 >= PROOF;
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
            self.explain(at, unsearched, stream);
        }
    }

    /// Looks in the last bytes, from an index on, for a cell that explains the difference at `at`.
    fn explain(&mut self, at: u64, unsearched: usize, stream: &mut StimulusStream) {
        let cells = self.cells_in_tail(unsearched, stream);
        if let Some(greeting) = self.greeting_before(&cells, stream) {
            self.greeting = greeting;
            self.compare_again(greeting, stream);
            return;
        }
        let explains = |(came_at, cell)| Some((self.explained_by(came_at, cell, at, stream)?, came_at, cell));
        let explained = match self.assumption {
            _ if !self.is_echo() => None,
            EchoAssumption::Proven if stream.mark().is_none() => Some((Some(EchoFault::Changed), at, 0)),
            _ => cells.into_iter().find_map(explains),
        };
        match explained {
            Some((Some(EchoFault::Lost), came_at, cell)) => self.go_on_behind_gap(at, came_at, cell, stream),
            Some((fault, ..)) => self.state = State::Explained(Damage { fault, ..Damage::unexplained(at) }),
            None if self.tail.len() >= SEARCHED => self.state = State::Explained(Damage::unexplained(at)),
            None => {}
        }
    }

    /// Notes the gap that shows at `at`, and goes on to compare at the cell behind it, which came at an offset.
    fn go_on_behind_gap(&mut self, at: u64, came_at: u64, cell: u64, stream: &mut StimulusStream) {
        let place = stream.start_of(cell).unwrap_or_default();
        let skipped = (place + self.greeting).saturating_sub(came_at);
        let is_of_whole_units = self.leaves_whole_units(at, came_at, skipped, stream);
        let gap = Damage { at, fault: Some(EchoFault::Lost), is_of_whole_units };
        if self.gap.is_none_or(|worst| gap.severity() > worst.severity()) {
            self.gap = Some(gap);
        }
        self.skipped = skipped;
        self.compare_again(came_at, stream);
    }

    /// Whether a gap after which `skipped` bytes are missing in all, of which the next cell came at an offset, may be between two whole
    /// stimuli: it is as long as some of them, and what came since the last one before the difference belongs behind it.
    fn leaves_whole_units(&self, at: u64, came_at: u64, skipped: u64, stream: &mut StimulusStream) -> bool {
        let start = self.received - self.tail.len() as u64;
        let boundary = at.checked_sub(self.place_of(at) % self.unit).filter(|boundary| *boundary >= start);
        let Some(boundary) =
            boundary.filter(|_| self.unit > 1 && (skipped - self.skipped).is_multiple_of(self.unit))
        else {
            return false;
        };
        let came = &self.tail[(boundary - start) as usize..(came_at - start) as usize];
        let behind = boundary - self.greeting + skipped..came_at - self.greeting + skipped;
        stream.part(self.connection, behind) == came
    }

    /// Where in the stream a byte belongs that came at this offset.
    fn place_of(&self, came_at: u64) -> u64 {
        came_at - self.greeting + self.skipped
    }

    /// Bytes that came before the first of these cells, if that was late and nothing else of the echo came before.
    fn greeting_before(&self, cells: &[(u64, u64)], stream: &StimulusStream) -> Option<u64> {
        let (came_at, _) = cells.iter().find(|(_, cell)| *cell == 0)?;
        let greeting = came_at.checked_sub(stream.start_of(0)?)?;
        (greeting > 0 && self.greeting == 0 && !self.is_proven && self.gap.is_none()).then_some(greeting)
    }

    /// What is wrong at `at`, if a `cell` that came at an offset says so. `Some(None)`: nothing is, but the server does not echo.
    fn explained_by(
        &self,
        came_at: u64,
        cell: u64,
        at: u64,
        stream: &StimulusStream,
    ) -> Option<Option<EchoFault>> {
        let (place, meant_for) = (self.place_of(came_at), stream.start_of(cell)?);
        // The first cell that has not come before.
        let due = stream.cell_from((self.place_of(at) + 1).saturating_sub(STAMP.end as u64));
        if place == meant_for && came_at < at {
            None
        } else if cell < due {
            Some(Some(EchoFault::Repeated))
        } else if place < meant_for {
            Some(Some(EchoFault::Lost))
        } else if place == meant_for {
            Some(Some(EchoFault::Changed))
        } else {
            // Other bytes came in between: perhaps those of another client, which a chat room sends to all on purpose.
            Some((self.assumption == EchoAssumption::Proven).then_some(EchoFault::Changed))
        }
    }

    /// Compares again what came from an offset on.
    fn compare_again(&mut self, from: u64, stream: &mut StimulusStream) {
        let start = self.received - self.tail.len() as u64;
        let again = self.tail.split_off((from - start) as usize);
        self.tail.clear();
        (self.received, self.state) = (from, State::Equal);
        self.note(&again, stream);
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
        let is_unknown = matches!(self.state, State::Explained(Damage { fault: None, .. }));
        let is_refuted = is_unknown && self.gap.is_none();
        (self.is_proven || self.assumption == EchoAssumption::Proven) && !is_refuted
    }

    /// Bytes that are still to come of an echo of `sent` bytes.
    pub(super) fn missing(&self, sent: u64) -> u64 {
        self.greeting.saturating_add(sent).saturating_sub(self.received)
    }

    /// Whether what came ends with a whole stimulus.
    pub(super) fn ends_with_whole_unit(&self) -> bool {
        self.unit > 1 && self.state == State::Equal && self.place_of(self.received).is_multiple_of(self.unit)
    }

    /// Where the replies first differ from what was sent; where they differ more than once, the worst.
    pub(super) fn damage(&self) -> Option<Damage> {
        match (self.state, self.gap) {
            (State::Equal, gap) => gap,
            (State::Differs(at), gap) => Some(gap.unwrap_or(Damage::unexplained(at))),
            // Something came that was not sent.
            (State::Explained(Damage { fault: None, .. }), Some(gap)) => {
                Some(Damage { is_of_whole_units: false, ..gap })
            }
            (State::Explained(damage), _) => Some(damage),
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

/// Bytes that are compared at a time: what follows a gap in them is compared again.
const PIECE: usize = 16 << 10;

/// Bytes that prove an echo: more than a status line, an error or a header that happens to be equal.
const PROOF: u64 = 4 << 10;

/// Bytes in which a stamp is searched for that says what is wrong: several reads of a server, whose pieces are its unit of mistakes.
const SEARCHED: usize = 512 << 10;

#[cfg(test)]
mod tests;

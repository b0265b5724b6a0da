//! Splits a server's bytes into frames, and checks what can be checked from a frame's header only.
//!
//! DATA is passed on as it arrives, without a copy. The payload of another frame is copied only when the input ends inside it, so
//! at most one frame is buffered. Frames of unknown types are skipped.

use super::{ACK, END_HEADERS, FrameHeader, FrameKind, HEADER_LEN, MAX_FRAME, PADDED};
use crate::Violation;

/// Finds frames in a stream of bytes.
#[derive(Debug)]
pub(crate) struct FrameReader {
    state: State,
    expected: Expected,
    /// The beginning of a frame's header, of which `header_len` bytes have come.
    header: [u8; HEADER_LEN],
    header_len: usize,
    /// The beginning of a payload, at most [`MAX_FRAME`] bytes.
    payload: Vec<u8>,
}

/// What a server's bytes contain.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    /// A complete frame of any type except DATA.
    Frame(FrameHeader, &'a [u8]),
    /// The header of a DATA frame. Its payload follows in pieces.
    DataBegins(FrameHeader),
    /// Payload of a DATA frame.
    Data {
        header: FrameHeader,
        data: &'a [u8],
        /// Padding of the whole frame, with its length byte; 0 before the last piece.
        padding: u32,
        is_last: bool,
    },
}

#[derive(Debug)]
enum State {
    Header,
    Payload(FrameHeader),
    /// A padded DATA frame, before the byte that says how much.
    PadLength(FrameHeader),
    Data {
        header: FrameHeader,
        data_left: u32,
        padding: u32,
        padding_left: u32,
    },
    /// A frame of an unknown type.
    Skipped {
        left: u32,
    },
}

/// Which frame may come next.
#[derive(Debug)]
enum Expected {
    /// The server's first SETTINGS.
    Settings,
    Any,
    /// The rest of a field block on this stream.
    Continuation(u32),
}

impl FrameReader {
    pub(crate) const fn new() -> FrameReader {
        FrameReader {
            state: State::Header,
            expected: Expected::Settings,
            header: [0; HEADER_LEN],
            header_len: 0,
            payload: Vec::new(),
        }
    }

    /// The next piece, taken off the front of `input`; `None` once `input` is used up.
    ///
    /// # Errors
    /// A frame that is too long, has a length or a stream that its type does not permit, or comes out of order.
    pub(crate) fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Piece<'a>>, Violation> {
        loop {
            match self.state {
                State::Header => {
                    let Some(header) = self.read_header(input) else { return Ok(None) };
                    self.check(header)?;
                    self.state = begin(header);
                    self.payload.clear();
                    if header.kind == FrameKind::Data {
                        return Ok(Some(Piece::DataBegins(header)));
                    }
                }
                State::Payload(header) => {
                    let missing = header.length as usize - self.payload.len();
                    let taken = take(input, missing);
                    if taken.len() < missing {
                        self.payload.extend_from_slice(taken);
                        return Ok(None);
                    }
                    self.state = State::Header;
                    if self.payload.is_empty() {
                        return Ok(Some(Piece::Frame(header, taken)));
                    }
                    self.payload.extend_from_slice(taken);
                    return Ok(Some(Piece::Frame(header, &self.payload)));
                }
                State::PadLength(header) => {
                    let Some(&pad_length) = take(input, 1).first() else { return Ok(None) };
                    let padding_left = u32::from(pad_length);
                    let Some(data_left) = (header.length - 1).checked_sub(padding_left) else {
                        return Err(Violation::Padding { kind: header.kind });
                    };
                    self.state = State::Data { header, data_left, padding: padding_left + 1, padding_left };
                }
                State::Data { header, data_left, padding, padding_left } => {
                    let data = take(input, data_left as usize);
                    let data_left = data_left - data.len() as u32;
                    let padding_left = padding_left - take(input, padding_left as usize).len() as u32;
                    let is_last = data_left == 0 && padding_left == 0;
                    self.state = if is_last {
                        State::Header
                    } else {
                        State::Data { header, data_left, padding, padding_left }
                    };
                    if data.is_empty() && !is_last {
                        return Ok(None);
                    }
                    let padding = if is_last { padding } else { 0 };
                    return Ok(Some(Piece::Data { header, data, padding, is_last }));
                }
                State::Skipped { left } => {
                    let left = left - take(input, left as usize).len() as u32;
                    if left > 0 {
                        self.state = State::Skipped { left };
                        return Ok(None);
                    }
                    self.state = State::Header;
                }
            }
        }
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Option<FrameHeader> {
        let taken = take(input, HEADER_LEN - self.header_len);
        self.header[self.header_len..][..taken.len()].copy_from_slice(taken);
        self.header_len += taken.len();
        if self.header_len < HEADER_LEN {
            return None;
        }
        self.header_len = 0;
        Some(FrameHeader::decode(self.header))
    }

    fn check(&mut self, header: FrameHeader) -> Result<(), Violation> {
        let FrameHeader { length, kind, stream, .. } = header;
        self.check_order(header)?;
        if length > MAX_FRAME {
            return Err(Violation::TooLong { kind, length });
        }
        let is_length_valid = match kind {
            FrameKind::Data => !header.has(PADDED) || length >= 1,
            FrameKind::Priority => length == 5,
            FrameKind::RstStream | FrameKind::WindowUpdate => length == 4,
            FrameKind::Settings if header.has(ACK) => length == 0,
            FrameKind::Settings => length % 6 == 0,
            FrameKind::Ping => length == 8,
            FrameKind::GoAway => length >= 8,
            FrameKind::Headers | FrameKind::PushPromise | FrameKind::Continuation | FrameKind::Unknown(_) => {
                true
            }
        };
        if !is_length_valid {
            return Err(Violation::WrongLength { kind, length });
        }
        let is_stream_valid = match kind {
            FrameKind::Settings | FrameKind::Ping | FrameKind::GoAway => stream == 0,
            FrameKind::WindowUpdate | FrameKind::Unknown(_) => true,
            _ => stream != 0,
        };
        if is_stream_valid { Ok(()) } else { Err(Violation::WrongStream { kind, stream }) }
    }

    fn check_order(&mut self, header: FrameHeader) -> Result<(), Violation> {
        let kind = header.kind;
        match self.expected {
            Expected::Settings
                if kind != FrameKind::Settings || header.has(ACK) || header.length > MAX_FRAME =>
            {
                return Err(Violation::Preface { first: self.header.to_vec() });
            }
            Expected::Continuation(stream) if kind != FrameKind::Continuation || header.stream != stream => {
                return Err(Violation::Sequence { kind });
            }
            Expected::Any if kind == FrameKind::Continuation => return Err(Violation::Sequence { kind }),
            Expected::Settings | Expected::Continuation(_) | Expected::Any => {}
        }
        let opens_block =
            matches!(kind, FrameKind::Headers | FrameKind::Continuation) && !header.has(END_HEADERS);
        self.expected = if opens_block { Expected::Continuation(header.stream) } else { Expected::Any };
        Ok(())
    }
}

/// How the payload after a header is read.
const fn begin(header: FrameHeader) -> State {
    match header.kind {
        FrameKind::Data if header.has(PADDED) => State::PadLength(header),
        FrameKind::Data => State::Data { header, data_left: header.length, padding: 0, padding_left: 0 },
        FrameKind::Unknown(_) => State::Skipped { left: header.length },
        _ => State::Payload(header),
    }
}

/// At most `count` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    taken
}

//! Field blocks: assembled from HEADERS and CONTINUATION frames, decoded, and taken as a response's header or trailers.

use super::State;
use super::streams::Response;
use crate::frame::{END_HEADERS, END_STREAM, FrameHeader, HEADER_LEN, PADDED, PRIORITY};
use crate::hpack::{DecodeError, Decoder};
use crate::{EndStream, Event, Fields, StreamId, Violation};

/// A field block on its way, and the decoder.
#[derive(Debug)]
pub(super) struct FieldBlocks {
    decoder: Decoder,
    /// The block of the current HEADERS frame and its continuations; at most [`MAX_FIELDS`] with the headers of the frames.
    block: Vec<u8>,
    /// What the block counts: its bytes, and the headers of its frames.
    block_cost: usize,
    /// The header of that HEADERS frame.
    headers: Option<FrameHeader>,
    fields: Fields,
}

impl FieldBlocks {
    pub(super) fn new() -> FieldBlocks {
        FieldBlocks {
            decoder: Decoder::new(),
            block: Vec::new(),
            block_cost: 0,
            headers: None,
            fields: Fields::default(),
        }
    }
}

impl State {
    pub(super) fn take_headers(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let block = without_padding(header, payload)?;
        let priority = if header.has(PRIORITY) { PRIORITY_LEN } else { 0 };
        let block = block
            .get(priority..)
            .ok_or(Violation::WrongLength { kind: header.kind, length: header.length })?;
        self.blocks.block.clear();
        self.blocks.block_cost = 0;
        self.blocks.headers = Some(header);
        self.take_continuation(header, block, event)
    }

    /// Adds to the current block, and decodes it once it is complete.
    pub(super) fn take_continuation(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let blocks = &mut self.blocks;
        let too_large = Violation::FieldsTooLarge { stream: header.stream, limit: MAX_FIELDS };
        blocks.block_cost += HEADER_LEN + payload.len();
        if blocks.block_cost > MAX_FIELDS {
            return Err(too_large);
        }
        blocks.block.extend_from_slice(payload);
        if !header.has(END_HEADERS) {
            return Ok(());
        }
        let Some(headers) = blocks.headers.take() else { return Ok(()) };
        // Even a block that is not needed: the next one may refer to what it adds to the table.
        blocks.decoder.decode(&blocks.block, MAX_FIELDS, &mut blocks.fields).map_err(
            |error| match error {
                DecodeError::Fault(fault) => Violation::Compression { stream: headers.stream, fault },
                DecodeError::TooLarge => too_large,
            },
        )?;
        self.take_fields(headers, event)
    }

    /// Takes the fields of a complete block: an interim response, a response's header, or its trailers.
    fn take_fields(
        &mut self,
        header: FrameHeader,
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let fields = &self.blocks.fields;
        let end = EndStream::from(header.has(END_STREAM));
        let malformed = |what, section| Err(Violation::Malformed { stream: header.stream, what, section });
        let found = self.streams.find_answering(header.kind, header.stream)?;
        let stream = StreamId(header.stream);
        let what = match found.response {
            Response::Awaited => match status(fields) {
                None => return malformed("no valid :status", "8.3.2"),
                Some(101) => return malformed("status 101, which HTTP/2 does not have", "8.6"),
                Some(100..200) if end == EndStream::Yes => {
                    return malformed("an interim response ends the stream", "8.1");
                }
                Some(status @ 100..200) => Event::Interim { stream, status },
                Some(status) => {
                    found.response = Response::HeadersCame;
                    Event::Headers { stream, status, fields, end }
                }
            },
            _ if end == EndStream::No => return malformed("trailers that do not end the stream", "8.1"),
            _ if fields.all().any(|(name, _)| name.starts_with(b":")) => {
                return malformed("a pseudo-header field in trailers", "8.1");
            }
            _ => Event::Trailers { stream, fields },
        };
        if end == EndStream::Yes {
            self.streams.end_response(stream);
        }
        event(what);
        Ok(())
    }
}

/// The payload of a HEADERS frame without its padding.
fn without_padding(header: FrameHeader, payload: &[u8]) -> Result<&[u8], Violation> {
    if !header.has(PADDED) {
        return Ok(payload);
    }
    let exceeds = Violation::Padding { kind: header.kind };
    let Some((&padding, rest)) = payload.split_first() else {
        return Err(Violation::WrongLength { kind: header.kind, length: header.length });
    };
    let length = rest.len().checked_sub(padding.into()).ok_or(exceeds)?;
    Ok(&rest[..length])
}

/// The status of a response: three digits.
fn status(fields: &Fields) -> Option<u16> {
    let digits: [u8; 3] = fields.get(":status")?.try_into().ok()?;
    let status = digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit.wrapping_sub(b'0')));
    (digits.iter().all(u8::is_ascii_digit) && status >= 100).then_some(status)
}

/// The limit of a field block and of the fields that it decodes to, in bytes. Servers send some 100 bytes, and cookies some KiB.
pub(super) const MAX_FIELDS: usize = 256 * 1024;

/// Length of the priority in a HEADERS frame, in bytes.
const PRIORITY_LEN: usize = 5;

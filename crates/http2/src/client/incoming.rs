//! What a server's frames do to the client: windows, streams, answers and events.

use super::output::Cause;
use super::streams::Response;
use super::{State, StreamId};
use crate::frame::{ACK, END_STREAM, FrameHeader, FrameKind, Piece, number_31, number_32};
use crate::{EndStream, ErrorCode, Event, Violation};

impl State {
    /// Takes one piece of the server's bytes.
    pub(super) fn take(
        &mut self,
        piece: Piece<'_>,
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        match piece {
            Piece::DataBegins(header) => self.take_data_header(header),
            Piece::Data { header, data, padding, is_last } => {
                self.take_data(header, data, padding, is_last, event);
                Ok(())
            }
            Piece::Frame(header, payload) => match header.kind {
                FrameKind::Headers => self.take_headers(header, payload, event),
                FrameKind::Continuation => self.take_continuation(header, payload, event),
                FrameKind::Settings => self.take_settings(header, payload, event),
                FrameKind::Ping => self.take_ping(header, payload, event),
                FrameKind::RstStream => self.take_reset(header, payload, event),
                FrameKind::GoAway => self.take_go_away(payload, event),
                FrameKind::WindowUpdate => self.take_window_update(header, payload, event),
                FrameKind::PushPromise => Err(Violation::Push),
                FrameKind::Data | FrameKind::Priority | FrameKind::Unknown(_) => Ok(()),
            },
        }
    }

    /// Counts a DATA frame against both windows, padding included, before any of its payload.
    fn take_data_header(&mut self, header: FrameHeader) -> Result<(), Violation> {
        let FrameHeader { length, kind, stream, .. } = header;
        let exceeds = |window: i64, of_connection: bool| Violation::WindowExceeded {
            stream,
            length,
            window,
            of_connection,
        };
        let initial = self.stream_receive_initial();
        if i64::from(length) > self.receive_window.max(0) {
            return Err(exceeds(self.receive_window, true));
        }
        self.receive_window -= i64::from(length);
        let found = self.streams.find_answering(kind, stream)?;
        if found.response == Response::Awaited {
            return Err(Violation::Malformed { stream, what: "DATA before HEADERS", section: "8.1" });
        }
        let window = initial + found.receive_balance;
        if i64::from(length) > window.max(0) {
            return Err(exceeds(window, false));
        }
        found.receive_balance -= i64::from(length);
        Ok(())
    }

    fn take_data(
        &mut self,
        header: FrameHeader,
        data: &[u8],
        padding: u32,
        is_last: bool,
        event: &mut dyn FnMut(Event<'_>),
    ) {
        let stream = StreamId(header.stream);
        let end = EndStream::from(is_last && header.has(END_STREAM));
        if end == EndStream::Yes {
            self.streams.end_response(stream);
        }
        event(Event::Data { stream, data, padding, end });
    }

    fn take_settings(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        if header.has(ACK) {
            self.unacknowledged_settings =
                self.unacknowledged_settings.checked_sub(1).ok_or(Violation::UnexpectedAck)?;
            self.is_initial_window_acknowledged = true;
            event(Event::Acknowledged);
            return Ok(());
        }
        self.check_answers(header.kind)?;
        self.peer.apply(payload)?;
        self.streams.set_send_initial(self.peer.initial_window)?;
        self.is_ready = true;
        self.output.frame(FrameKind::Settings, ACK, 0, &[], Cause::Server);
        event(Event::Settings);
        Ok(())
    }

    fn take_ping(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        if !header.has(ACK) {
            self.check_answers(header.kind)?;
            self.output.frame(FrameKind::Ping, ACK, 0, payload, Cause::Server);
        } else if let Some(rest) = self.unanswered_pings.checked_sub(1) {
            self.unanswered_pings = rest;
            event(Event::Acknowledged);
        }
        Ok(())
    }

    fn take_reset(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        if self.streams.find(header.kind, header.stream)?.is_some() {
            let stream = StreamId(header.stream);
            self.streams.remove(stream);
            event(Event::Reset { stream, code: ErrorCode(number_32(payload)) });
        }
        Ok(())
    }

    fn take_go_away(&mut self, payload: &[u8], event: &mut dyn FnMut(Event<'_>)) -> Result<(), Violation> {
        let (last_stream, rest) = (number_31(payload), payload.get(4..).unwrap_or_default());
        let (code, debug) = (ErrorCode(number_32(rest)), rest.get(4..).unwrap_or_default());
        if let Some(from) = self.last_stream.filter(|&from| last_stream > from) {
            return Err(Violation::GoAwayRaised { from, to: last_stream });
        }
        self.last_stream = Some(last_stream);
        event(Event::GoAway { last_stream, code, debug });
        for stream in self.streams.split_off_after(last_stream) {
            event(Event::Reset { stream, code: ErrorCode::REFUSED_STREAM });
        }
        Ok(())
    }

    fn take_window_update(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let stream = header.stream;
        let increment = number_31(payload);
        if increment == 0 {
            return Err(Violation::ZeroIncrement { stream });
        }
        if stream == 0 {
            self.send_window += i64::from(increment);
            if self.send_window > i64::from(crate::frame::MAX_31_BITS) {
                return Err(Violation::WindowOverflow { stream });
            }
            event(Event::Granted { stream: None });
        } else if self.streams.find(header.kind, stream)?.is_some() {
            let stream = StreamId(stream);
            self.streams.widen(stream, increment)?;
            event(Event::Granted { stream: Some(stream) });
        }
        Ok(())
    }

    /// Whether the server may demand another answer with a frame of this type.
    fn check_answers(&self, kind: FrameKind) -> Result<(), Violation> {
        if self.output.accepts_answer() { Ok(()) } else { Err(Violation::UnreadAnswers { kind }) }
    }
}

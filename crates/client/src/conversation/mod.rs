//! Sends an input as frames and hands out the replies, as `nc` does with bytes.
//!
//! There is one thread per direction, so that each can wait while the other continues: a client that first writes everything
//! and only then reads deadlocks as soon as all queues on the path are full.
//!
//! ```text
//! input  ── send() ───> socket ──> server
//! output <─ receive() ─ socket <──────┘        receive() returns at the server's end of the stream
//! ```
//!
//! At the end of the input only our half of the stream is shut down (FIN); replies are read on. The bound is a timeout on
//! silence: as long as bytes arrive they are copied. While the input has no data, the timeout does not run.

mod error;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoctl_proto::{Buffer, FrameDecoder, Framing};

pub use error::ConversationError;

type Result<T, E = ConversationError> = std::result::Result<T, E>;

/// A connection to a server, with an input to send and replies to read.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    framing: Framing,
    max_frame: usize,
    sending: Mutex<Sending>,
}

/// What a conversation has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Number of frames; 0 for raw bytes.
    pub frames: u64,
    /// Bytes accepted by the kernel.
    pub bytes: u64,
    /// Bytes of the longest payload of which the sending has begun; 0 for raw bytes.
    pub longest: u64,
}

/// How a conversation ended, and the frames that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replies {
    /// Number of frames; 0 for raw bytes.
    pub frames: u64,
    /// How it ended.
    pub end: ConversationEnd,
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationEnd {
    /// The server closed the connection after everything was sent.
    Closed,
    /// The server closed the connection before everything was sent.
    ClosedEarly,
    /// After everything was sent, the server neither sent a byte nor closed the connection within the timeout.
    Silent,
    /// Before everything was sent, no byte moved in either direction within the timeout.
    Stalled,
}

/// The sending half, as the receiving thread sees it.
#[derive(Debug, Default)]
struct Sending {
    sent: Sent,
    is_reading_input: bool,
    /// `None` until the input has ended or failed, and if the connection broke before.
    end: Option<Result<()>>,
}

/// What ended the reading half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamEnd {
    Closed,
    Timeout,
}

impl Conversation {
    /// Begins a conversation on `stream`. `max_frame` is the maximum payload with a length prefix, in bytes, in both directions.
    /// `timeout`, more than 0, bounds the time in which no byte moves.
    ///
    /// # Errors
    /// If an option of the socket cannot be set.
    pub fn new(
        stream: TcpStream,
        framing: Framing,
        max_frame: usize,
        timeout: Duration,
    ) -> io::Result<Conversation> {
        // A frame is one write and is sent immediately, even if the previous one is not acknowledged yet.
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(timeout))?;
        Ok(Conversation {
            stream,
            framing,
            max_frame: max_frame.min(framing.longest_payload()),
            sending: Mutex::default(),
        })
    }

    /// Sends the input, then shuts down our half of the stream, so that the server closes its half. With a length prefix, each
    /// line of the input is the payload of a frame; otherwise its bytes are sent unchanged, and lines end with a newline.
    ///
    /// An error is returned by [`receive`](Conversation::receive), which runs on another thread.
    pub fn send(&self, input: impl Read) {
        let result = match self.framing {
            Framing::Lines | Framing::Raw => self.send_unchanged(input),
            Framing::U16 | Framing::U32 => self.send_length_prefixed(input),
        };
        // The receiver detects a broken connection too, and knows what was received before.
        self.sending().end =
            Some(result).filter(|result| !matches!(result, Err(ConversationError::Broken(_))));
        // It fails only if the connection is closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Writes the replies to `output` until the server closes the connection or the timeout is over. With a length prefix, each
    /// payload is written as a line; otherwise the bytes are unchanged. `output` is flushed after each read.
    ///
    /// # Errors
    /// If replies cannot be read or written, or if the input could not be read or sent as frames.
    pub fn receive(&self, output: impl Write) -> Result<Replies> {
        let (frames, end) = match self.framing {
            Framing::Lines | Framing::Raw => self.receive_unchanged(output),
            Framing::U16 | Framing::U32 => self.receive_payloads(output),
        }?;
        let has_sent_all = self.sending().end.take().transpose()?.is_some();
        let end = match (end, has_sent_all) {
            (StreamEnd::Closed, true) => ConversationEnd::Closed,
            (StreamEnd::Closed, false) => ConversationEnd::ClosedEarly,
            (StreamEnd::Timeout, true) => ConversationEnd::Silent,
            (StreamEnd::Timeout, false) => ConversationEnd::Stalled,
        };
        Ok(Replies { frames, end })
    }

    /// What has been sent so far.
    pub fn sent(&self) -> Sent {
        self.sending().sent
    }

    fn send_unchanged(&self, mut input: impl Read) -> Result<()> {
        let (mut chunk, mut partial_len) = (vec![0; CHUNK], 0_u64);
        while let Some(bytes) = self.input(&mut input, &mut chunk)? {
            if self.framing == Framing::Lines {
                partial_len = self.record_lines(bytes, partial_len);
            }
            self.write(bytes)?;
        }
        if partial_len > 0 {
            self.record_lines(b"\n", partial_len);
            self.write(b"\n")?;
        }
        Ok(())
    }

    /// Records the lines in `bytes` before they are written. The first has `partial_len` bytes before them. Returns the length
    /// of the last line if it is incomplete, else 0.
    fn record_lines(&self, bytes: &[u8], mut partial_len: u64) -> u64 {
        let sent = &mut self.sending().sent;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let has_ended = line.ends_with(b"\n");
            partial_len += line.len() as u64 - u64::from(has_ended);
            sent.longest = sent.longest.max(partial_len);
            if has_ended {
                sent.frames += 1;
                partial_len = 0;
            }
        }
        partial_len
    }

    fn send_length_prefixed(&self, mut input: impl Read) -> Result<()> {
        // The end of the input completes the last line.
        let mut pending = Buffer::new(self.max_frame.saturating_add(CHUNK + 1));
        let mut lines = FrameDecoder::new(Framing::Lines, self.max_frame);
        let mut frame = Buffer::new(self.max_frame.saturating_add(self.framing.overhead()));
        let (mut chunk, mut number, mut is_partial) = (vec![0; CHUNK], 1_u64, false);
        let mut send_lines = |bytes: &[u8]| -> Result<bool> {
            pending.append(bytes)?;
            let too_long = |number| move |source| ConversationError::Line { number, source };
            while let Some(line) = lines.decode(pending.unread()).map_err(too_long(number))? {
                // Before it is written: the server may close the connection because of it.
                let mut sending = self.sending();
                sending.sent.frames = number;
                sending.sent.longest = sending.sent.longest.max(line.payload.len() as u64);
                drop(sending);
                self.framing.encode(line.payload, &mut frame)?;
                self.write(frame.unread())?;
                frame.clear();
                number += 1;
                let length = line.bytes.len();
                pending.consume(length);
            }
            Ok(!pending.is_empty())
        };
        while let Some(bytes) = self.input(&mut input, &mut chunk)? {
            is_partial = send_lines(bytes)?;
        }
        if is_partial {
            send_lines(b"\n")?;
        }
        Ok(())
    }

    /// The next bytes of the input; `None` at its end.
    fn input<'a>(&self, input: &mut impl Read, chunk: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        self.sending().is_reading_input = true;
        let length = uninterrupted(|| input.read(chunk));
        self.sending().is_reading_input = false;
        let length = length.map_err(ConversationError::Input)?;
        Ok(Some(&chunk[..length]).filter(|bytes| !bytes.is_empty()))
    }

    fn write(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let taken = match uninterrupted(|| (&self.stream).write(bytes)) {
                Ok(0) => Err(ErrorKind::WriteZero.into()),
                outcome => outcome,
            };
            let taken = taken.map_err(ConversationError::Broken)?;
            self.sending().sent.bytes += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Returns the number of lines received, or 0 with raw.
    fn receive_unchanged(&self, mut output: impl Write) -> Result<(u64, StreamEnd)> {
        let (mut last, mut lines) = (b'\n', 0);
        let end = self.read_all(|bytes| {
            last = bytes[bytes.len() - 1];
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            output.write_all(bytes).and_then(|()| output.flush()).map_err(ConversationError::Output)
        })?;
        match (self.framing, end) {
            (Framing::Raw, end) => Ok((0, end)),
            (_, StreamEnd::Closed) if last != b'\n' => Err(ConversationError::PartialLine),
            (_, end) => Ok((lines, end)),
        }
    }

    /// Returns the number of frames received.
    fn receive_payloads(&self, mut output: impl Write) -> Result<(u64, StreamEnd)> {
        let mut arrived = Buffer::new(self.max_frame.saturating_add(self.framing.overhead() + CHUNK));
        let mut replies = FrameDecoder::new(self.framing, self.max_frame);
        let mut count = 0;
        let end = self.read_all(|bytes| {
            arrived.append(bytes)?;
            while let Some(reply) = replies.decode(arrived.unread()).map_err(ConversationError::Reply)? {
                count += 1;
                let written = output.write_all(reply.payload).and_then(|()| output.write_all(b"\n"));
                written.map_err(ConversationError::Output)?;
                let length = reply.bytes.len();
                arrived.consume(length);
            }
            output.flush().map_err(ConversationError::Output)
        })?;
        if end == StreamEnd::Closed && !arrived.is_empty() {
            return Err(ConversationError::PartialFrame { bytes: arrived.len() });
        }
        Ok((count, end))
    }

    /// Passes the bytes from the server to `take`, until there are no more.
    fn read_all(&self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<StreamEnd> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let before = self.sent().bytes;
            match uninterrupted(|| (&self.stream).read(&mut chunk)) {
                Ok(0) => return Ok(StreamEnd::Closed),
                Ok(length) => take(&chunk[..length])?,
                // The kind of a timeout depends on the system.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    let sending = self.sending();
                    if !sending.is_reading_input && sending.sent.bytes == before {
                        return Ok(StreamEnd::Timeout);
                    }
                }
                Err(error) => return Err(ConversationError::Broken(error)),
            }
        }
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Repeats a system call as long as a signal interrupts it.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Bytes per read: the capacity of a pipe on Linux.
const CHUNK: usize = 64 * 1024;

#[cfg(test)]
mod tests;

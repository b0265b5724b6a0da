//! `echoctl send`: sends stdin as frames and prints the replies, as `nc` does with bytes.
//!
//! There is one thread per direction, so that each can wait while the other continues: a client that first writes everything
//! and only then reads deadlocks as soon as all queues on the path are full (`echoctl lesson duplex`).
//!
//! ```text
//! stdin  ── sender ────> socket ──> server
//! stdout <─ receiver ─── socket <──────┘        the command exits at the server's end of the stream
//! ```
//!
//! At the end of the input only our half of the stream is shut down (FIN); replies are read on. The bound is a timeout on
//! silence: as long as bytes arrive they are copied, as `nc` does. While stdin has no data, the timeout does not run.

mod error;
mod progress;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use echoctl_client::connect;
use echoctl_observe::start_thread;
use echoctl_proto::{Buffer, FrameDecoder, Framing};
use echoctl_record::Bytes;
use echoctl_server::Config;

use crate::address::{self, ServerAddress};
use crate::consent::{ECHO_HINT, open_first};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Data, warning};
use crate::values;
use error::{ConnectionBroken, PeerClosed};
use progress::SendProgress;

/// Send each line of stdin as a frame and print the replies
///
/// At the end of the input it shuts down its sending side and prints replies until the server closes the connection. A file or
/// a pipe gets the replies byte for byte; on a terminal, control characters are replaced.
///
/// Exits with 1 if the server closes the connection before everything is sent, if fewer frames come back than were sent, or if
/// no byte moves in either direction for --timeout. One silence is only a warning: all frames have come back, and the server
/// does not close the connection (not with raw, whose frames cannot be counted).
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Framing: lines, u16, u32, raw
    ///
    /// It must match the server's. With u16 and u32, each line of the input becomes the payload of a frame, and the payload of
    /// each reply is printed as a line. With raw, bytes are copied unchanged.
    #[arg(long, help_heading = "I/O", default_value = "lines", value_name = "NAME")]
    framing: Framing,

    /// Maximum payload of a frame
    ///
    /// Applies in both directions, with u16 and u32 only.
    #[arg(long, help_heading = "Limits", default_value = "1MiB", value_name = "SIZE", value_parser = max_frame)]
    max_frame: usize,

    /// Longest time without a byte
    ///
    /// In either direction. While stdin is open and has no data, the time does not count.
    #[arg(long, help_heading = "Limits", default_value = "10s", value_name = "TIME", value_parser = values::positive_duration)]
    timeout: Duration,

    #[command(flatten)]
    server: ServerAddress,
}

const EXAMPLES: &str = "\
Examples:
  echo hello | echoctl send                one frame, and its reply
  echoctl send --framing u16 < lines.txt   each line with a 2-byte length prefix
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | echoctl send --framing raw 8080
      an HTTP request to port 8080";

pub(crate) fn run(args: Args) -> Outcome {
    let addrs = address::to_connect(&args.server.addr)?;
    let (_, stream) = open_first(&args.server.addr, &addrs, &[], |addr, within| Ok(connect(addr, within)))?;
    let conversation = Arc::new(Conversation::begin(stream, &args)?);
    let sender = Arc::clone(&conversation);
    // The sender is not joined: it may be waiting for a line from a terminal.
    start_thread("sender", move || sender.send_all())?;
    // Signals keep their default action: the replies so far are printed, and there is nothing else to do at shutdown.
    conversation.receive_all()
}

/// A connection and the progress of its sender.
struct Conversation {
    stream: TcpStream,
    framing: Framing,
    max_frame: usize,
    timeout: Duration,
    sending: Mutex<Sending>,
    progress: SendProgress,
    /// Whether no byte moved for the timeout.
    has_timed_out: AtomicBool,
}

enum Sending {
    Going,
    Done,
    /// The input could not be read or sent as frames.
    Failed(anyhow::Error),
}

impl Conversation {
    fn begin(stream: TcpStream, args: &Args) -> io::Result<Conversation> {
        // A frame is one write and is sent immediately, even if the previous one is not acknowledged yet.
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(args.timeout))?;
        Ok(Conversation {
            stream,
            framing: args.framing,
            max_frame: args.max_frame.min(args.framing.longest_payload()),
            timeout: args.timeout,
            sending: Mutex::new(Sending::Going),
            progress: SendProgress::default(),
            has_timed_out: AtomicBool::new(false),
        })
    }

    /// Sends the input, then shuts down our half of the stream, so that the server closes its half.
    fn send_all(&self) {
        let result = match self.framing {
            Framing::Lines | Framing::Raw => self.send_unchanged(),
            Framing::U16 | Framing::U32 => self.send_length_prefixed(),
        };
        *self.sending() = match result {
            Ok(()) => Sending::Done,
            // The receiver detects this too, and knows what was received before.
            Err(error) if error.is::<PeerClosed>() => Sending::Going,
            Err(error) => Sending::Failed(error),
        };
        // It fails only if the connection is closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn send_unchanged(&self) -> anyhow::Result<()> {
        let (mut chunk, mut partial_len) = (vec![0; CHUNK], 0_u64);
        while let Some(bytes) = self.input(&mut chunk)? {
            if self.framing == Framing::Lines {
                partial_len = self.record_lines(bytes, partial_len);
            }
            self.write(bytes)?;
        }
        if partial_len > 0 {
            self.progress.record_end();
            self.write(b"\n")?;
        }
        Ok(())
    }

    /// Records the lines in `bytes`, the first of which has `partial_len` bytes before them. Returns the length of the last
    /// line if it is incomplete, else 0.
    fn record_lines(&self, bytes: &[u8], mut partial_len: u64) -> u64 {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let has_ended = line.ends_with(b"\n");
            partial_len += line.len() as u64 - u64::from(has_ended);
            self.progress.record_start(partial_len);
            if has_ended {
                self.progress.record_end();
                partial_len = 0;
            }
        }
        partial_len
    }

    fn send_length_prefixed(&self) -> anyhow::Result<()> {
        // The end of the input completes the last line.
        let mut input = Buffer::new(self.max_frame.saturating_add(CHUNK + 1));
        let mut lines = FrameDecoder::new(Framing::Lines, self.max_frame);
        let mut frame = Buffer::new(self.max_frame.saturating_add(self.framing.overhead()));
        let (mut chunk, mut number, mut has_ended) = (vec![0; CHUNK], 0_u64, false);
        while !has_ended {
            match self.input(&mut chunk)? {
                Some(bytes) => input.append(bytes)?,
                None => {
                    has_ended = true;
                    if !input.is_empty() {
                        input.append(b"\n")?;
                    }
                }
            }
            loop {
                let line = lines
                    .decode(input.unread())
                    .with_context(|| format!("line {} of the input", number + 1))?;
                let Some(line) = line else { break };
                number += 1;
                self.progress.record_start(line.payload.len() as u64);
                self.progress.record_end();
                self.framing.encode(line.payload, &mut frame)?;
                self.write(frame.unread())?;
                frame.clear();
                let length = line.bytes.len();
                input.consume(length);
            }
        }
        Ok(())
    }

    /// The next bytes of the input; `None` at its end.
    fn input<'a>(&self, chunk: &'a mut [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        let length = self.progress.while_reading_input(|| {
            let mut stdin = io::stdin().lock();
            loop {
                match stdin.read(chunk) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                }
            }
        });
        let length = length.context("cannot read standard input")?;
        Ok(Some(&chunk[..length]).filter(|bytes| !bytes.is_empty()))
    }

    fn write(&self, mut bytes: &[u8]) -> Result<(), PeerClosed> {
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(0) => return Err(PeerClosed),
                Ok(taken) => {
                    self.progress.record_write(taken);
                    bytes = &bytes[taken..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(PeerClosed),
            }
        }
        Ok(())
    }

    /// Prints replies until the server closes the connection, and returns the result.
    fn receive_all(&self) -> Outcome {
        let replies = match self.framing {
            Framing::Lines | Framing::Raw => self.receive_unchanged(),
            Framing::U16 | Framing::U32 => self.receive_payloads(),
        };
        let replies = replies.map_err(|error| match error.is::<ConnectionBroken>() {
            true => self.oversized(error),
            false => error.into(),
        })?;
        let has_timed_out = self.has_timed_out.load(SeqCst);
        match std::mem::replace(&mut *self.sending(), Sending::Done) {
            Sending::Done if has_timed_out => self.judge_timeout(replies),
            Sending::Going if has_timed_out => Err(anyhow!(
                "no byte moved in either direction for {:.1} s, after {} sent and {replies} frames received",
                self.timeout.as_secs_f64(),
                Bytes(self.progress.bytes())
            )
            .into()),
            Sending::Done => self.judge_replies(replies),
            Sending::Going => {
                Err(self.oversized(anyhow!("the server closed the connection before everything was sent")))
            }
            Sending::Failed(error) => Err(error.into()),
        }
    }

    /// The result if the server did not close the connection in time.
    fn judge_timeout(&self, replies: u64) -> Outcome {
        let silence = format!(
            "the server sent nothing for {:.1} s after the end of the input, and did not close the connection",
            self.timeout.as_secs_f64()
        );
        let sent = self.progress.frames();
        if self.framing != Framing::Raw && replies >= sent {
            warning(&silence);
            return Ok(Exit::Done);
        }
        let frames = if self.framing == Framing::Raw {
            String::new()
        } else {
            format!(": {replies} of {sent} frames came back")
        };
        Err(self.oversized(anyhow!("{silence}{frames}")))
    }

    /// The result if the server closed the connection: whether as many frames came back as were sent.
    fn judge_replies(&self, replies: u64) -> Outcome {
        let sent = self.progress.frames();
        if replies >= sent {
            return Ok(Exit::Done);
        }
        let failure = self.oversized(anyhow!("{replies} of {sent} frames came back"));
        Err(if replies == 0 { failure.hint(ECHO_HINT) } else { failure })
    }

    /// A failure with a hint if a frame was sent that echoctl's own server refuses by default.
    fn oversized(&self, error: anyhow::Error) -> Failure {
        let failure = Failure::from(error);
        match self.progress.longest() {
            longest if longest <= Config::MAX_FRAME as u64 => failure,
            longest => failure.hint(format_args!(
                "a frame of {} was sent; echoctl serve closes a connection at frames over --max-frame, {} by default",
                Bytes(longest),
                Bytes(Config::MAX_FRAME as u64)
            )),
        }
    }

    /// Returns the number of lines received, or 0 with raw.
    fn receive_unchanged(&self) -> anyhow::Result<u64> {
        let (mut chunk, mut last, mut lines) = (vec![0; CHUNK], b'\n', 0);
        let mut stdout = Data::new();
        while let Some(bytes) = self.read(&mut chunk)? {
            last = bytes[bytes.len() - 1];
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            stdout.write_all(bytes)?;
            stdout.flush()?;
        }
        if self.framing == Framing::Lines && last != b'\n' && !self.has_timed_out.load(SeqCst) {
            bail!("the server closed the connection in the middle of a line");
        }
        Ok(lines)
    }

    /// Returns the number of frames received.
    fn receive_payloads(&self) -> anyhow::Result<u64> {
        let mut arrived = Buffer::new(self.max_frame.saturating_add(self.framing.overhead() + CHUNK));
        let mut replies = FrameDecoder::new(self.framing, self.max_frame);
        let (mut chunk, mut count) = (vec![0; CHUNK], 0);
        let mut stdout = io::BufWriter::with_capacity(CHUNK, Data::new());
        while let Some(bytes) = self.read(&mut chunk)? {
            arrived.append(bytes)?;
            while let Some(reply) = replies.decode(arrived.unread()).context("the server's reply")? {
                count += 1;
                stdout.write_all(reply.payload)?;
                stdout.write_all(b"\n")?;
                let length = reply.bytes.len();
                arrived.consume(length);
            }
            stdout.flush()?;
        }
        if !arrived.is_empty() && !self.has_timed_out.load(SeqCst) {
            bail!(
                "the server closed the connection in the middle of a frame, of which {} bytes arrived",
                arrived.len()
            );
        }
        Ok(count)
    }

    /// The next bytes from the server; `None` at the end of the stream or at the timeout.
    fn read<'a>(&self, chunk: &'a mut [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        let length = loop {
            let taken = self.progress.bytes();
            match (&self.stream).read(chunk) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The kind of a timeout depends on the system.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !self.progress.is_reading_input() && self.progress.bytes() == taken {
                        self.has_timed_out.store(true, SeqCst);
                        return Ok(None);
                    }
                }
                Err(error) => {
                    return Err(error).context(ConnectionBroken);
                }
            }
        };
        Ok(Some(&chunk[..length]).filter(|bytes| !bytes.is_empty()))
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses the maximum payload. Memory for a frame is allocated as it arrives.
fn max_frame(text: &str) -> Result<usize, String> {
    let bytes = values::positive_size(text)?;
    let fits = usize::try_from(bytes).ok().filter(|&bytes| bytes <= MAX_FRAME_LIMIT);
    fits.ok_or_else(|| format!("too large: at most {}", Bytes(MAX_FRAME_LIMIT as u64)))
}

/// The largest `--max-frame`, in bytes: as large as the largest frame of a flood.
const MAX_FRAME_LIMIT: usize = 1 << 30;

/// Bytes per read: the capacity of a pipe on Linux.
const CHUNK: usize = 64 * 1024;

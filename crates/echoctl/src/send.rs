//! `echoctl send`: standard input to frames, replies to standard output. What `nc` is to bytes, with frames.
//!
//! Two threads, one a direction, because each must be able to wait while the other goes on: whoever first writes
//! everything and only then reads is stuck as soon as all queues on the path are full (`echoctl lesson duplex`).
//!
//! ```text
//! stdin  ── sender ────> socket ──> server
//! stdout <─ receiver ─── socket <──────┘        its end of the stream ends the command
//! ```
//!
//! The end of the input ends our half of the stream (FIN) and no more: what the server still has to say is read. What bounds
//! that is silence: as long as bytes come they are copied, as `nc` does. While the input is waited for, nothing is awaited of
//! the server.

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
use crate::consent::open_first;
use crate::exit::{Exit, Outcome};
use crate::output::{Data, warning};
use crate::values;
use progress::SendProgress;

/// Send each line of stdin as a frame and print the replies
///
/// At the end of the input it shuts down its sending side and prints replies until the server closes the connection, or has
/// been silent for --timeout. Exits with 1 if the server closes the connection earlier, if fewer frames come back than were
/// sent, or if no byte moves in either direction for --timeout. A file or a pipe gets the replies byte for byte; on a
/// terminal, control characters are replaced.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerAddress,

    /// Framing: lines, u16, u32, raw
    ///
    /// It must match the server's. With u16 and u32, each line of the input becomes the payload of a frame, and the payload of each reply is printed as a
    /// line. With raw, bytes are copied as they come.
    #[arg(long, help_heading = "I/O", default_value = "lines", value_name = "NAME")]
    framing: Framing,

    /// Maximum payload of a frame
    ///
    /// It holds in both directions, with u16 and u32 only.
    #[arg(long, help_heading = "Limits", default_value = "1MiB", value_name = "SIZE", value_parser = max_frame)]
    max_frame: usize,

    /// Longest time without a byte
    ///
    /// In either direction. While stdin is open and has no data, the time does not count.
    #[arg(long, help_heading = "Limits", default_value = "10s", value_name = "TIME", value_parser = values::positive_duration)]
    timeout: Duration,
}

const EXAMPLES: &str = "\
Examples:
  echo hello | echoctl send              one frame to echoctl serve, and its reply
  echoctl send --framing u16 < lines.txt   each line with a 2-byte length prefix
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | echoctl send 127.0.0.1:8080 --framing raw";

pub(crate) fn run(args: Args) -> Outcome {
    let addrs = address::to_connect(&args.server.addr)?;
    let (_, stream) = open_first(&args.server.addr, &addrs, &[], |addr, within| Ok(connect(addr, within)))?;
    let conversation = Arc::new(Conversation::begin(stream, &args)?);
    let sender = Arc::clone(&conversation);
    // The sender is not waited for: it may be waiting for a line from a terminal, which nobody is going to type.
    start_thread("sender", move || sender.send_all())?;
    // A signal has its usual effect: what has come is printed, and there is nothing else to put in order.
    conversation.receive_all()
}

/// A connection and how far its sender is.
struct Conversation {
    stream: TcpStream,
    framing: Framing,
    max_frame: usize,
    timeout: Duration,
    sending: Mutex<Sending>,
    progress: SendProgress,
    /// Whether the server was silent for the timeout.
    has_timed_out: AtomicBool,
}

enum Sending {
    Going,
    Done,
    /// The input could not be read or framed.
    Failed(anyhow::Error),
}

impl Conversation {
    fn begin(stream: TcpStream, args: &Args) -> io::Result<Conversation> {
        // A frame is one write, and is to go at once, even if the one before is not acknowledged yet.
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

    /// Sends the input, then ends our half of the stream, so that the receiver comes to its end too.
    fn send_all(&self) {
        let result = match self.framing {
            Framing::Lines | Framing::Raw => self.send_as_it_is(),
            Framing::U16 | Framing::U32 => self.send_lines_led_by_length(),
        };
        *self.sending() = match result {
            Ok(()) => Sending::Done,
            // The server is gone: the receiver meets that, too, and knows what was received until then.
            Err(error) if error.is::<PeerClosed>() => Sending::Going,
            Err(error) => Sending::Failed(error),
        };
        // An error says that the connection is closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn send_as_it_is(&self) -> anyhow::Result<()> {
        let (mut chunk, mut partial_len) = (vec![0; CHUNK], 0_u64);
        while let Some(bytes) = self.input(&mut chunk)? {
            if self.framing == Framing::Lines {
                partial_len = self.note_lines(bytes, partial_len);
            }
            self.write(bytes)?;
        }
        if partial_len > 0 {
            self.progress.record_end();
            self.write(b"\n")?;
        }
        Ok(())
    }

    /// Notes the lines in `bytes`, of which the first began `partial_len` bytes before; returns the length of the last, if it has
    /// no end yet.
    fn note_lines(&self, bytes: &[u8], mut partial_len: u64) -> u64 {
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

    fn send_lines_led_by_length(&self) -> anyhow::Result<()> {
        // The end of the input ends its last line.
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

    /// Prints replies until the server ends its side, and says how it all went.
    fn receive_all(&self) -> Outcome {
        let replies = match self.framing {
            Framing::Lines | Framing::Raw => self.receive_as_it_is()?,
            Framing::U16 | Framing::U32 => self.receive_payloads()?,
        };
        let has_timed_out = self.has_timed_out.load(SeqCst);
        match std::mem::replace(&mut *self.sending(), Sending::Done) {
            Sending::Done if has_timed_out => self.judge_timeout(replies),
            Sending::Going if has_timed_out => Err(anyhow!(
                "the server neither took nor sent a byte for {:.1} s: {} were sent and {replies} frames came back",
                self.timeout.as_secs_f64(),
                Bytes(self.progress.bytes())
            )
            .into()),
            Sending::Done => self.judge_replies(replies),
            Sending::Going => Err(anyhow!("the server hung up before all was sent{}", self.hint()).into()),
            Sending::Failed(error) => Err(error.into()),
        }
    }

    /// What it comes to that the server did not end its side.
    fn judge_timeout(&self, replies: u64) -> Outcome {
        let silence = format!(
            "the server did not end the connection, and sent nothing for {:.1} s after the end of the input",
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
        Err(anyhow!("{silence}{frames}{}", self.hint()).into())
    }

    /// Whether as many frames came back as were sent.
    fn judge_replies(&self, replies: u64) -> Outcome {
        let sent = self.progress.frames();
        if replies >= sent {
            return Ok(Exit::Done);
        }
        let hint = if replies == 0 { ": does the server echo, and with the same --framing?" } else { "" };
        Err(anyhow!("{replies} of {sent} frames came back{hint}{}", self.hint()).into())
    }

    /// What may be why a server hangs up.
    fn hint(&self) -> String {
        match self.progress.longest() {
            longest if longest <= Config::MAX_FRAME as u64 => String::new(),
            longest => format!(
                "; a frame of {} was sent, and echoctl serve takes no longer ones than its --max-frame, {} by default",
                Bytes(longest),
                Bytes(Config::MAX_FRAME as u64)
            ),
        }
    }

    /// Returns the number of lines that came, or 0 with raw.
    fn receive_as_it_is(&self) -> anyhow::Result<u64> {
        let (mut chunk, mut last, mut lines) = (vec![0; CHUNK], b'\n', 0);
        let mut stdout = Data::new();
        while let Some(bytes) = self.read(&mut chunk)? {
            last = bytes[bytes.len() - 1];
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            stdout.write_all(bytes)?;
            stdout.flush()?;
        }
        if self.framing == Framing::Lines && last != b'\n' && !self.has_timed_out.load(SeqCst) {
            bail!("the server hung up within a line");
        }
        Ok(lines)
    }

    /// Returns the number of frames that came.
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
            bail!("the server hung up within a frame: {} bytes of it came", arrived.len());
        }
        Ok(count)
    }

    /// The next bytes of the server; `None` at its end, or when it is given up.
    fn read<'a>(&self, chunk: &'a mut [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        let length = loop {
            let taken = self.progress.bytes();
            match (&self.stream).read(chunk) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Which of the two a timeout is depends on the system.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !self.progress.is_reading_input() && self.progress.bytes() == taken {
                        self.has_timed_out.store(true, SeqCst);
                        return Ok(None);
                    }
                }
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("the server broke the connection off{}", self.hint()));
                }
            }
        };
        Ok(Some(&chunk[..length]).filter(|bytes| !bytes.is_empty()))
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server takes no more.
#[derive(Debug)]
struct PeerClosed;

impl std::fmt::Display for PeerClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server hung up")
    }
}

impl std::error::Error for PeerClosed {}

/// The longest payload: memory is taken for a frame as it arrives.
fn max_frame(text: &str) -> Result<usize, String> {
    let bytes = values::positive_size(text)?;
    let fits = usize::try_from(bytes).ok().filter(|&bytes| bytes <= MAX_FRAME_LIMIT);
    fits.ok_or_else(|| format!("too large: at most {}", Bytes(MAX_FRAME_LIMIT as u64)))
}

/// Bytes of the largest frame that may be asked for: what a flood sends at most, too.
const MAX_FRAME_LIMIT: usize = 1 << 30;

/// Bytes of one read: as much as a pipe holds on Linux.
const CHUNK: usize = 64 * 1024;

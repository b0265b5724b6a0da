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
//! The end of the input ends our half of the stream (FIN) and no more: what the server still has to say is read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, anyhow, bail};
use echoctl_client::connect;
use echoctl_proto::{Buffer, Cutter, Framing};
use echoctl_record::Bytes;
use echoctl_server::Config;

use crate::address;
use crate::exit::{Exit, Outcome};
use crate::guard::open_first;
use crate::output::Data;
use crate::values;

/// Send what comes on standard input, a frame a line, and print the replies
///
/// Ends when the server has ended its side, after the input has ended. Exit code 1 when the server hung up before, or when
/// fewer frames came back than were sent (with raw there are none to count). A file or a pipe gets the replies byte for byte, a
/// terminal what of them can be printed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Send to this server: host:port, or a port of loopback
    #[arg(env = "ECHOCTL_ADDR", default_value = address::DEFAULT, value_name = "ADDR")]
    addr: String,

    /// Mark frames as lines, u16, u32 or raw (bytes as they come); the server's --framing must be the same
    #[arg(long, default_value = "lines", value_name = "FRAMING")]
    framing: Framing,

    /// Refuse payloads longer than this, ours and the server's, where u16 or u32 leads them
    #[arg(long, default_value = "1MiB", value_name = "SIZE", value_parser = values::positive_size)]
    max_frame: u64,
}

const EXAMPLES: &str = "\
Examples:
  echo hello | echoctl send                     one frame to our own server, and its reply
  echoctl send --framing u16 < lines.txt        each line led by its length in 2 bytes
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | echoctl send 127.0.0.1:8080 --framing raw";

pub(crate) fn run(args: Args) -> Outcome {
    let addrs = address::to_connect(&args.addr)?;
    let (_, stream) = open_first(&args.addr, &addrs, &[], |addr, within| Ok(connect(addr, within)))?;
    let conversation = Arc::new(Conversation::begin(stream, &args)?);
    let sender = Arc::clone(&conversation);
    // The sender is not waited for: it may be waiting for a line from a terminal, which nobody is going to type.
    thread::spawn(move || sender.send_all());
    // A signal has its usual effect: what has come is printed, and there is nothing else to put in order.
    conversation.receive_all()
}

/// A connection and how far its sender is.
struct Conversation {
    stream: TcpStream,
    framing: Framing,
    max_frame: usize,
    sending: Mutex<Sending>,
    sent: Sent,
}

/// The frames that were sent. Counted by the sender and read by the receiver.
#[derive(Default)]
struct Sent {
    count: AtomicU64,
    /// Bytes of the longest, without its marks.
    longest: AtomicU64,
}

impl Sent {
    /// Notes a frame of so many bytes before it is written: the server may hang up because of it.
    fn begin(&self, length: u64) {
        self.longest.fetch_max(length, SeqCst);
    }

    fn end(&self) {
        self.count.fetch_add(1, SeqCst);
    }
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
        let max_frame =
            usize::try_from(args.max_frame).unwrap_or(usize::MAX).min(args.framing.longest_payload());
        let (framing, sending) = (args.framing, Mutex::new(Sending::Going));
        Ok(Conversation { stream, framing, max_frame, sending, sent: Sent::default() })
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
            Err(error) if error.is::<HungUp>() => Sending::Going,
            Err(error) => Sending::Failed(error),
        };
        // An error says that the connection is closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn send_as_it_is(&self) -> anyhow::Result<()> {
        let (mut chunk, mut unended) = (vec![0; CHUNK], 0_u64);
        while let Some(bytes) = read(&mut chunk)? {
            if self.framing == Framing::Lines {
                unended = self.note_lines(bytes, unended);
            }
            self.write(bytes)?;
        }
        if unended > 0 {
            self.sent.end();
            self.write(b"\n")?;
        }
        Ok(())
    }

    /// Notes the lines in `bytes`, of which the first began `unended` bytes before; returns the length of the last, if it has
    /// no end yet.
    fn note_lines(&self, bytes: &[u8], mut unended: u64) -> u64 {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let has_ended = line.ends_with(b"\n");
            unended += line.len() as u64 - u64::from(has_ended);
            self.sent.begin(unended);
            if has_ended {
                self.sent.end();
                unended = 0;
            }
        }
        unended
    }

    fn send_lines_led_by_length(&self) -> anyhow::Result<()> {
        // The end of the input ends its last line.
        let mut input = Buffer::new(self.max_frame.saturating_add(CHUNK + 1));
        let mut lines = Cutter::new(Framing::Lines, self.max_frame);
        let mut frame = Buffer::new(self.max_frame.saturating_add(self.framing.overhead()));
        let (mut chunk, mut number, mut has_ended) = (vec![0; CHUNK], 0_u64, false);
        while !has_ended {
            match read(&mut chunk)? {
                Some(bytes) => input.append(bytes)?,
                None => {
                    has_ended = true;
                    if !input.is_empty() {
                        input.append(b"\n")?;
                    }
                }
            }
            loop {
                let line =
                    lines.cut(input.unread()).with_context(|| format!("line {} of the input", number + 1))?;
                let Some(line) = line else { break };
                number += 1;
                self.sent.begin(line.payload.len() as u64);
                self.sent.end();
                self.framing.encode(line.payload, &mut frame)?;
                self.write(frame.unread())?;
                frame.clear();
                let length = line.whole.len();
                input.consume(length);
            }
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), HungUp> {
        (&self.stream).write_all(bytes).map_err(|_| HungUp)
    }

    /// Prints replies until the server ends its side, and says how it all went.
    fn receive_all(&self) -> Outcome {
        let replies = match self.framing {
            Framing::Lines | Framing::Raw => self.receive_as_it_is()?,
            Framing::U16 | Framing::U32 => self.receive_payloads()?,
        };
        match std::mem::replace(&mut *self.sending(), Sending::Done) {
            Sending::Done => self.has_all(replies),
            Sending::Going => Err(anyhow!("the server hung up before all was sent{}", self.hint()).into()),
            Sending::Failed(error) => Err(error.into()),
        }
    }

    /// Whether as many frames came back as were sent.
    fn has_all(&self, replies: u64) -> Outcome {
        let sent = self.sent.count.load(SeqCst);
        if replies >= sent {
            return Ok(Exit::Done);
        }
        let hint = if replies == 0 { ": does the server echo, and with the same --framing?" } else { "" };
        Err(anyhow!("{replies} of {sent} frames came back{hint}{}", self.hint()).into())
    }

    /// What may be why a server hangs up.
    fn hint(&self) -> String {
        match self.sent.longest.load(SeqCst) {
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
        if self.framing == Framing::Lines && last != b'\n' {
            bail!("the server hung up within a line");
        }
        Ok(lines)
    }

    /// Returns the number of frames that came.
    fn receive_payloads(&self) -> anyhow::Result<u64> {
        let mut arrived = Buffer::new(self.max_frame.saturating_add(self.framing.overhead() + CHUNK));
        let mut replies = Cutter::new(self.framing, self.max_frame);
        let (mut chunk, mut count) = (vec![0; CHUNK], 0);
        let mut stdout = io::BufWriter::with_capacity(CHUNK, Data::new());
        while let Some(bytes) = self.read(&mut chunk)? {
            arrived.append(bytes)?;
            while let Some(reply) = replies.cut(arrived.unread()).context("the server's reply")? {
                count += 1;
                stdout.write_all(reply.payload)?;
                stdout.write_all(b"\n")?;
                let length = reply.whole.len();
                arrived.consume(length);
            }
            stdout.flush()?;
        }
        if !arrived.is_empty() {
            bail!("the server hung up within a frame: {} bytes of it came", arrived.len());
        }
        Ok(count)
    }

    fn read<'a>(&self, chunk: &'a mut [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        read_from(&mut &self.stream, chunk)
            .with_context(|| format!("the server broke the connection off{}", self.hint()))
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server takes no more.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server hung up")
    }
}

impl std::error::Error for HungUp {}

/// The next bytes of the input; `None` at its end.
fn read(chunk: &mut [u8]) -> anyhow::Result<Option<&[u8]>> {
    read_from(&mut io::stdin().lock(), chunk).context("cannot read standard input")
}

fn read_from<'a>(from: &mut impl Read, chunk: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    loop {
        match from.read(chunk) {
            Ok(length) => return Ok(Some(&chunk[..length]).filter(|bytes| !bytes.is_empty())),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes of one read: as much as a pipe holds on Linux.
const CHUNK: usize = 64 * 1024;

//! `echoctl send`: sends stdin as frames and prints the replies, as `nc` does with bytes.
//!
//! The protocol is [`Conversation`]'s; here are its input, its output and what its end means for the exit code.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use echoctl_client::{Conversation, ConversationEnd, ConversationError, Replies, Sent, connect};
use echoctl_observe::start_thread;
use echoctl_proto::Framing;
use echoctl_record::{Bytes, count};
use echoctl_server::Config;

use crate::address::{self, ServerAddress};
use crate::consent::{ECHO_HINT, open_first};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Data, warning};
use crate::values;

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
    #[arg(long, help_heading = "I/O", default_value = "lines", value_parser = values::framing(), hide_possible_values = true, value_name = "NAME")]
    framing: Framing,

    /// Maximum payload of a frame
    ///
    /// Applies in both directions, with u16 and u32 only.
    #[arg(long, help_heading = "Limits", default_value = values::size_text(Config::MAX_FRAME as u64), value_name = "SIZE", value_parser = values::size_up_to(MAX_FRAME_LIMIT))]
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
    let conversation = Arc::new(Conversation::new(stream, args.framing, args.max_frame, args.timeout)?);
    let sender = Arc::clone(&conversation);
    // The sender is not joined: it may be waiting for a line from a terminal.
    start_thread("sender", move || sender.send(io::stdin()))?;
    // Signals keep their default action: the replies so far are printed, and there is nothing else to do at shutdown.
    let replies = conversation.receive(io::BufWriter::new(Data::new()));
    let oversized = |failure| hint_at_oversized(failure, conversation.sent().longest);
    match replies {
        Ok(replies) => args.judge(replies, conversation.sent()).map_err(oversized),
        // As it is: the exit code of a reader of the replies that has gone is 0.
        Err(ConversationError::Output(error)) => Err(error.into()),
        Err(error @ ConversationError::Broken(_)) => Err(oversized(error.into())),
        Err(error) => Err(error.into()),
    }
}

impl Args {
    /// The result of a conversation: whether everything was sent, and as many frames came back.
    fn judge(&self, replies: Replies, sent: Sent) -> Outcome {
        let (seconds, bytes) = (self.timeout.as_secs_f64(), Bytes(sent.bytes));
        let came_back = format!("{} of {} frames came back", replies.frames, sent.frames);
        let silence = format!(
            "the server sent nothing for {seconds:.1} s after the end of the input, and did not close the connection"
        );
        let stall = format!("no byte moved in either direction for {seconds:.1} s, after {bytes} sent");
        let are_complete = replies.frames >= sent.frames;
        let are_counted = self.framing != Framing::Raw;
        let failed = match replies.end {
            ConversationEnd::Closed if are_complete => return Ok(Exit::Done),
            ConversationEnd::Closed if replies.frames == 0 => {
                return Err(Failure::from(anyhow!(came_back)).hint(ECHO_HINT));
            }
            ConversationEnd::Closed => came_back,
            ConversationEnd::ClosedEarly => {
                "the server closed the connection before everything was sent".to_owned()
            }
            ConversationEnd::Silent if are_counted && are_complete => {
                warning(silence);
                return Ok(Exit::Done);
            }
            ConversationEnd::Silent if are_counted => format!("{silence}: {came_back}"),
            ConversationEnd::Silent => silence,
            ConversationEnd::Stalled if are_counted => {
                format!("{stall} and {} received", count(replies.frames, "frame"))
            }
            ConversationEnd::Stalled => stall,
        };
        Err(anyhow!(failed).into())
    }
}

/// Adds a hint if the longest frame sent is one that echoctl's own server refuses by default.
fn hint_at_oversized(failure: Failure, longest: u64) -> Failure {
    if longest <= Config::MAX_FRAME as u64 {
        return failure;
    }
    failure.hint(format_args!(
        "a frame of {} was sent; echoctl serve closes a connection at frames over --max-frame, {} by default",
        Bytes(longest),
        Bytes(Config::MAX_FRAME as u64)
    ))
}

/// The largest `--max-frame`, in bytes: as large as the largest frame of a flood. Memory for a frame is allocated as it arrives.
const MAX_FRAME_LIMIT: usize = 1 << 30;

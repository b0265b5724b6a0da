//! The options that attack with a client of any kind, which is frozen.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueHint};
use echoctl_audit::{ClientFailure, Error, FreezeAfter, FrozenClient};
use echoctl_trial::spawn::{ClientLaunch, CommandLine};
use echoctl_verdict::Advice;

use crate::commands::{advice, supervise};
use crate::exit::{Exit, Failure};
use crate::values;

/// The client of an attack, if it is not this program.
#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    /// Client to freeze, in place of a script
    ///
    /// Any program that receives much from the server, over any protocol, such as 'curl -skN https://localhost:{port}/'. It is
    /// started with the server's {port}, {addr} or {socket}, suspended (SIGSTOP) while bytes flow, and continued at the end. Only
    /// processes of this command are suspended. It may have quotes; what needs a shell (variables, pipes, several commands) is
    /// run by sh -c. Its standard input stays open and empty.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString,
          conflicts_with_all = CONFLICTS)]
    client: Option<CommandLine>,

    /// Time or bytes of flow after which the client is frozen [default: 1.2s, or 5s if little comes]
    ///
    /// Counted from the first bytes that it gets from the server. Give a longer time for a server that sends in bursts or for a
    /// client that logs in slowly, and a size, such as 1MiB, for a reply that is soon complete.
    #[arg(long, value_name = "TIME|SIZE", requires = "client", value_parser = freeze_after, hide_short_help = true)]
    freeze_after: Option<FreezeAfter>,
}

impl ClientArgs {
    /// The client's command.
    pub(super) fn command(&self) -> Option<&CommandLine> {
        self.client.as_ref()
    }

    /// The client, and when to freeze it.
    ///
    /// # Errors
    /// When the path of this program cannot be determined.
    pub(super) fn frozen(&self) -> Result<Option<FrozenClient>, Failure> {
        let Some(command) = self.client.clone() else { return Ok(None) };
        let supervisor = supervise::words().context("cannot determine the path of this program")?;
        let launch = ClientLaunch { command, supervisor };
        Ok(Some(FrozenClient { launch, freeze_after: self.freeze_after.unwrap_or_default() }))
    }
}

/// The client again, to be frozen early, after a fresh start of the server: what it received was complete before it was frozen.
pub(super) fn earlier(frozen: &FrozenClient, error: &Error) -> Option<FrozenClient> {
    let Error::Client(ClientFailure::Finished { received, .. }) = error else { return None };
    let is_default = frozen.freeze_after == FreezeAfter::default();
    let early = FrozenClient { freeze_after: FreezeAfter::Bytes(EARLY), ..frozen.clone() };
    (is_default && *received >= WORTHWHILE).then_some(early)
}

/// Parses a time or a size.
fn freeze_after(text: &str) -> Result<FreezeAfter, String> {
    if let Ok(time) = values::duration(text)
        && text.ends_with(|last: char| last.is_ascii_alphabetic())
    {
        return if time <= LONGEST {
            Ok(FreezeAfter::Time(time))
        } else {
            Err("too long: at most 10m".to_owned())
        };
    }
    let size = values::positive_size(text).map(FreezeAfter::Bytes);
    size.map_err(|_| "expected a time such as 2s, or a size such as 8MiB".to_owned())
}

/// The exit code of an attack that could not begin, and its remedy.
pub(super) fn failure(failure: &ClientFailure) -> (Exit, &'static str) {
    match failure {
        ClientFailure::ReceivedNothing { .. } => (
            Exit::Unreachable,
            "run the client's command on its own first; the server's port is {port} in it",
        ),
        ClientFailure::NoConnection { .. } => (
            Exit::Unreachable,
            "the client must connect to the server itself, at {port}; a proxy in between must be a part of the client's command",
        ),
        ClientFailure::Finished { .. } => (
            Exit::Inconclusive,
            "let it receive more than the kernels' queues hold, such as 64 MiB or an endless stream, or freeze it earlier: \
             --freeze-after 1MiB",
        ),
        ClientFailure::Disconnected { .. } => (
            Exit::Inconclusive,
            "run the client's command on its own first: it must receive for longer than it takes to freeze it (--freeze-after)",
        ),
        ClientFailure::NothingFlows { .. } => (
            Exit::Inconclusive,
            "start what makes the server send (a publisher) in the server's command or in the client's; if the server sends rarely, \
             give a longer time: --freeze-after 30s",
        ),
        ClientFailure::Killed { .. } => (Exit::Failed, "run the audit again"),
    }
}

/// What to try next when the attack was made by a client.
pub(super) fn advice(advice: Advice) -> String {
    let fixed = match advice {
        Advice::CheckInputOrWatchLonger { seconds } => {
            return format!(
                "check that the client receives what it should; if the server sends slowly, watch it for longer: --for {seconds:.0}s"
            );
        }
        Advice::CheckInputOrRequest => {
            "let the client ask for more: when it was frozen, the server had nothing left to send"
        }
        Advice::RequestLargerReply => {
            "let the client receive more than the kernels' queues hold, such as 64 MiB or an endless stream"
        }
        other => return advice::text(other),
    };
    fixed.to_owned()
}

/// The options that have no effect on a client.
const CONFLICTS: [&str; 15] = [
    "preset",
    "script",
    "request",
    "grpc",
    "message",
    "headers",
    "body",
    "http2",
    "streams",
    "stall",
    "show_script",
    "connections",
    "bytes",
    "rate",
    "rcvbuf",
];

/// Bytes after which a client is frozen early.
const EARLY: u64 = 64 << 10;

/// Bytes of a complete reply for which that is worth it: less fits into the kernels' queues.
const WORTHWHILE: u64 = 4 << 20;

/// The longest time until the freeze.
const LONGEST: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_frozen_after_a_time_or_a_size() {
        assert_eq!(freeze_after("2s"), Ok(FreezeAfter::Time(Duration::from_secs(2))));
        assert_eq!(freeze_after("8MiB"), Ok(FreezeAfter::Bytes(8 << 20)));
        assert_eq!(freeze_after("1m"), Ok(FreezeAfter::Time(Duration::from_secs(60))));
        assert_eq!(freeze_after("4096"), Ok(FreezeAfter::Bytes(4096)));
        for wrong in ["", "x", "2 apples", "11m", "0"] {
            assert!(freeze_after(wrong).is_err(), "{wrong}");
        }
    }
}

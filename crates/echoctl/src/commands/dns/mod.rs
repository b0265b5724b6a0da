//! `echoctl dns`: a small authoritative DNS server that prints each message, to be queried with `dig`.

mod log;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use echoctl_lab::dns::{Answerer, MAX_UNVERIFIED};
use echoctl_observe::loopback;
use serde_json::json;

use crate::address::{self, at_loopback};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{end_with_reader, json_line, print, warning};
use crate::terminal::interrupt;
use log::{Format, Log};

/// Serve the DNS zone `test.`, to compare DNS over UDP and TCP
///
/// Every name under `test.` has an A and an AAAA record; 4000.txt.test has
/// a TXT record of 4000 bytes, and likewise for other numbers up to 64800. Replies larger than the client's advertised size are
/// truncated over UDP and complete over TCP. Over UDP a reply has at most 1232 bytes, or 4096 for a client that returns a DNS
/// cookie, as dig does.
///
/// Each query is printed on one line with the first bytes of its reply. Over TCP these are preceded by the two-byte length
/// prefix in brackets, such as [0f db].
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to listen on [default: 127.0.0.1:5354]
    ///
    /// Both UDP and TCP use it: host:port, or only a port (on loopback). The default host is ::1 if there is no IPv4.
    #[arg(long, short = 'p', value_parser = address::to_listen, value_name = "ADDR", help_heading = "Listen")]
    addr: Option<SocketAddr>,

    /// Print one JSON object per line
    ///
    /// The server exits when the reader of stdout has gone.
    #[arg(long, short = 'J', help_heading = "Output")]
    json: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let requested = args.addr.unwrap_or_else(|| SocketAddr::from((loopback(), PORT)));
    runtime.block_on(async {
        let answerer = Answerer::bind(requested).await.map_err(|error| {
            let failure = Failure::from(anyhow!("cannot listen on {requested} over UDP and TCP: {error}"));
            failure.hint("choose another address with --addr")
        })?;
        let addr = answerer.local_addr();
        if !addr.ip().to_canonical().is_loopback() {
            warning(open_to_others(addr));
        }
        // It runs until a signal, and its totals follow.
        interrupt::listen(Duration::ZERO).context("cannot handle signals")?;
        if args.json {
            end_with_reader();
            json_line("listening", &json!({ "addr": addr, "pid": std::process::id(), "zone": "test." }))?;
        } else {
            let reached = at_loopback(addr);
            let (ip, port) = (reached.ip(), reached.port());
            print(format_args!("serving test. on {addr} over UDP and TCP (Ctrl-C to stop)"))?;
            print(format_args!("try: dig @{ip} -p {port} 4000.txt.test TXT"))?;
        }
        let log = Arc::new(Log::new(if args.json { Format::Json } else { Format::Text }));
        let messages = Arc::clone(&log);
        answerer.run(interrupt::interrupted(), move |exchange| messages.record(exchange)).await;
        log.finish()?;
        Ok(Exit::Done)
    })
}

/// The warning for an address that other hosts can reach.
fn open_to_others(addr: SocketAddr) -> String {
    format!(
        "{addr} is not loopback: other hosts can query this server, and there is no rate limit. Over UDP a query with a \
         forged address causes a reply of at most {MAX_UNVERIFIED} bytes (about 30 times its size). Over TCP at most 512 \
         clients are served at a time"
    )
}

/// The default port: DNS's own (53) needs privileges, and 5353 is that of multicast DNS.
const PORT: u16 = 5354;

const EXAMPLES: &str = "\
Examples:
  echoctl dns
      in one terminal
  dig @127.0.0.1 -p 5354 small.test
      in another terminal: one datagram in each direction
  dig @127.0.0.1 -p 5354 +ignore +noedns 4000.txt.test TXT
      flags: tc (truncated): more than 512 bytes, so no answer
  dig @127.0.0.1 -p 5354 4000.txt.test TXT
      dig retries over TCP by itself";

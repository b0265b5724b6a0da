//! `echoctl dns`: a small authoritative DNS server to try `dig` on, which shows each message.

mod log;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use echoctl_lab::dns::{Answerer, MAX_UNVERIFIED};
use echoctl_observe::loopback;
use serde::Serialize;

use crate::exit::{Exit, Outcome};
use crate::interrupt;
use crate::output::{json_line, print, warning};
use log::Log;

/// Ask it: a DNS server for the zone test., on UDP and TCP, to see messages with and without a length in front
///
/// Every name under test. has an A and an AAAA record; 4000.txt.test has a TXT record of 4000 bytes, and so on up to
/// 64800. Replies larger than the client's advertised size are truncated over UDP and complete over TCP. Over UDP a reply
/// has at most 1232 bytes, and up to 4096 for a client that returns a DNS cookie, as dig does. A line for each query shows
/// the first bytes of its reply, over TCP with the two bytes of its length in front: [0f db].
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address for UDP and TCP: host:port, or a port of loopback [default: port 5354 of 127.0.0.1, or of ::1 where there is
    /// no IPv4]
    #[arg(long, value_parser = crate::address::to_listen, value_name = "ADDR")]
    addr: Option<SocketAddr>,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listening {
    addr: SocketAddr,
    pid: u32,
    zone: &'static str,
}

pub(crate) fn run(args: Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = args.addr.unwrap_or_else(|| SocketAddr::from((loopback(), PORT)));
    runtime.block_on(async {
        let answerer = Answerer::bind(asked).await.with_context(|| {
            format!("cannot answer at {} (is something else there? choose with --addr)", asked)
        })?;
        let addr = answerer.local_addr();
        if !addr.ip().to_canonical().is_loopback() {
            warning(open_to_others(addr));
        }
        interrupt::catch_signals(Duration::ZERO);
        if args.json {
            json_line("listening", &Listening { addr, pid: std::process::id(), zone: "test." })?;
        } else {
            let (ip, port) = (reached_at(addr.ip()), addr.port());
            print(format_args!("answering for test. at {addr} over UDP and TCP, until Ctrl-C"))?;
            print(format_args!("try: dig @{ip} -p {port} 4000.txt.test TXT"))?;
        }
        let log = Log::start(args.json)?;
        answerer.run(interrupt::interrupted(), log.listener()).await;
        Ok(if log.finish() { Exit::Done } else { Exit::Interrupted })
    })
}

/// What whoever opens the server to other hosts should know.
fn open_to_others(addr: SocketAddr) -> String {
    format!(
        "{addr} is not loopback: other hosts can query this server, and there is no rate limit. \
         Over UDP a forged sender gets at most {MAX_UNVERIFIED} bytes per query (30 times its size); \
         over TCP 512 clients are served at a time"
    )
}

/// Where a client on this host reaches a server: any address of the host stands for its loopback, too.
fn reached_at(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// That of DNS (53) needs privileges, and 5353 is that of multicast DNS.
const PORT: u16 = 5354;

const EXAMPLES: &str = "\
Examples:
  echoctl dns
      in one terminal
  dig @127.0.0.1 -p 5354 small.test
      in another: one datagram each way
  dig @127.0.0.1 -p 5354 +ignore +noedns 4000.txt.test TXT
      flags: tc, truncated at 512 bytes
  dig @127.0.0.1 -p 5354 4000.txt.test TXT
      dig asks again over TCP by itself";

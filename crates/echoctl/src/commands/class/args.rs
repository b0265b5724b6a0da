//! Options of `echoctl class`, and the addresses and settings that they describe.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use echoctl_observe::MemoryShare;
use echoctl_record::Bytes;
use echoctl_server::{Config, Policy};

use super::lan::Lan;
use super::policies::Offer;
use crate::address;
use crate::exit::{Exit, Failure};
use crate::output::recorder::RecordArgs;
use crate::values::{positive_duration, positive_size, size_up_to};

/// Run an echo server for a class, with a page for the projector
///
/// Students join with curl, nc or `echoctl flood`, and stop reading with Ctrl-Z. The page shows each connection: its queues,
/// what is buffered for it inside the server, and who does not read. The teacher changes the policy of the server there while all students are
/// connected, and asks for predictions that students vote on from their phones. See docs/class.md.
///
/// Both are on loopback unless --lan or --addr opens them. Ctrl-C or q ends the class with a summary.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Open server and page to the room
    ///
    /// On the private addresses of this host. Where the host has a public address too, only the likely address of the room is opened.
    #[arg(long, conflicts_with = "replay", help_heading = "Listen")]
    lan: bool,

    /// Address of the echo server [default: 127.0.0.1:7007]
    ///
    /// Port or host:port. A port without a host is on loopback or, with --lan, in the room. The default can be set with the environment
    /// variable ECHOCTL_ADDR.
    #[arg(short = 'p', long, value_parser = address::to_listen, default_value_t = Config::ADDR, hide_default_value = true, env = address::VARIABLE, hide_env = true, value_name = "ADDR", help_heading = "Listen")]
    addr: SocketAddr,

    /// Address of the page [default: as the server's, port 7008]
    #[arg(long, value_parser = address::to_listen, value_name = "ADDR", help_heading = "Listen")]
    page: Option<SocketAddr>,

    /// off|await|bounded|drop|disconnect [default: off]
    ///
    /// The policy at the beginning. The teacher changes it on the page. `echoctl serve --help` describes the policies.
    #[arg(long, value_parser = policy_names(), default_value = "off", hide_default_value = true, hide_possible_values = true, value_name = "NAME", help_heading = "Backpressure")]
    backpressure: String,

    /// Limit of the reply queue [default: 1MiB]
    ///
    /// Of each connection, under bounded, drop and disconnect: also when the teacher chooses one of them later.
    #[arg(long, value_parser = size_up_to(usize::MAX), value_name = "SIZE", help_heading = "Backpressure")]
    queue_limit: Option<usize>,

    /// Total of queues and buffers [default: up to 1GiB]
    ///
    /// Above it, the connection that buffers most is reset. The default is a quarter of the memory available to this process; at
    /// least 16MiB, at most 1GiB.
    #[arg(long, value_parser = positive_size, value_name = "SIZE", help_heading = "Limits")]
    memory_limit: Option<u64>,

    /// Disconnect peers that take no reply for this long
    #[arg(long, value_parser = positive_duration, value_name = "TIME", help_heading = "Limits")]
    write_timeout: Option<Duration>,

    #[command(flatten, next_help_heading = "Output")]
    pub(super) recording: RecordArgs,

    /// Show a recorded class on the page again
    ///
    /// One that was written with --record; at its own pace, and without a server.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "report"], help_heading = "Output")]
    pub(super) replay: Option<PathBuf>,

    #[arg(long, value_name = "ADDR", value_parser = address::to_listen, conflicts_with = "replay", help_heading = "Output", hide_short_help = true, long_help = METRICS, help = "Serve metrics of the server for Prometheus at ADDR")]
    pub(super) metrics: Option<SocketAddr>,

    /// Print events as JSON, one per line
    ///
    /// On stdout: listening, page, state, closed, and a summary at the end. The address with the teacher's secret is only on stderr.
    /// The class ends when the reader of stdout has gone.
    #[arg(short = 'J', long, help_heading = "Output")]
    pub(super) json: bool,

    /// Plain ASCII lines: no live view, no QR code, no colour
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(super) plain: bool,

    /// Exit when stdin is closed, so that the class does not outlive its parent
    #[arg(long, hide = true, conflicts_with = "replay")]
    pub(super) until_stdin_ends: bool,
}

/// Where server and page listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) server: SocketAddr,
    pub(super) page: SocketAddr,
}

impl Args {
    /// Where server and page listen.
    ///
    /// # Errors
    /// Exit 2 if --lan and an address contradict each other; if the room has no address of this host.
    pub(super) fn addresses(&self) -> Result<Addresses, Failure> {
        let page = self.page.unwrap_or(SocketAddr::new(self.addr.ip(), PAGE_PORT));
        if !self.lan {
            return Ok(Addresses { server: self.addr, page });
        }
        for (option, addr) in [("--addr", self.addr), ("--page", page)] {
            if !addr.ip().is_loopback() {
                let why =
                    format!("--lan opens the addresses of the room, and {option} {addr} is another one");
                return Err(
                    Failure::usage(why).hint(format_args!("give only its port: {option} {}", addr.port()))
                );
            }
        }
        let lan = Lan::here().context("cannot list the addresses of this host")?;
        let ip = IpAddr::from(room(&lan)?);
        let (server, page) = (SocketAddr::new(ip, self.addr.port()), SocketAddr::new(ip, page.port()));
        Ok(Addresses { server, page })
    }

    /// Configuration of the echo server.
    ///
    /// # Errors
    /// Exit 2 if the queue of one connection may exceed the memory of all.
    pub(super) fn config(&self, addr: SocketAddr, memory: MemoryShare) -> Result<Config, Failure> {
        if let Some(limit) = self.queue_limit.filter(|limit| *limit as u64 > memory.limit) {
            let (limit, memory) = (Bytes(limit as u64), Bytes(memory.limit));
            let why = format!("--queue-limit {limit} exceeds the memory limit, {memory}: it has no effect");
            return Err(Failure::usage(why).hint("give a smaller --queue-limit or a larger --memory-limit"));
        }
        Ok(Config {
            addr,
            policy: self.offer().find(&self.backpressure, None).unwrap_or(Policy::Off),
            memory_limit: memory.limit,
            write_timeout: self.write_timeout,
            max_connections: MAX_CONNECTIONS,
            names: true,
            ..Config::default()
        })
    }

    /// What the switch offers.
    pub(super) fn offer(&self) -> Offer {
        self.queue_limit.map_or_else(Offer::default, Offer::new)
    }

    /// Memory limit, with the reason for a default.
    pub(super) fn memory(&self) -> MemoryShare {
        self.memory_limit.map_or_else(MemoryShare::own, MemoryShare::fixed)
    }
}

/// The address to listen on for the hosts of a room.
fn room(lan: &Lan) -> Result<Ipv4Addr, Failure> {
    match lan.private.first() {
        Some(_) if lan.public.is_empty() => Ok(Ipv4Addr::UNSPECIFIED),
        // A wildcard would open it to the internet as well.
        Some(likely) => Ok(likely.ip),
        None => {
            let known: Vec<String> = lan.public.iter().map(|address| address.ip.to_string()).collect();
            let why = match known.as_slice() {
                [] => "this host has no IPv4 address but loopback: it is on no network".to_owned(),
                known => format!("this host has no private address, only {}", known.join(", ")),
            };
            let failure =
                Failure::new(Exit::Failed, anyhow::anyhow!("cannot open the class to the room: {why}"));
            Err(match known.first() {
                Some(ip) => failure
                    .hint(format_args!("if a public address is meant: --addr {ip}:{}", Config::ADDR.port())),
                None => failure,
            })
        }
    }
}

fn policy_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Offer::default().choices().into_iter().map(|choice| choice.name))
}

/// Port of the page, unless another is given: the one after the server's.
pub(in crate::commands) const PAGE_PORT: u16 = 7008;

/// Connections of a class, of which one student may open many: several per student of the largest lecture hall.
const MAX_CONNECTIONS: usize = 2000;

/// Long help of `--metrics`.
const METRICS: &str =
    concat!("Serve metrics of the server for Prometheus at ADDR\n\n", crate::metrics::help!());

const EXAMPLES: &str = "\
Examples:
  echoctl class                           try it by yourself, on this host
  echoctl class --lan                     open it to the room
  echoctl class --lan --record class.json
  echoctl report class.json               the memory over time, with each switch
  echoctl class --replay class.json       the same class on the page again";

#[cfg(test)]
mod tests {
    use super::super::lan::LanAddress;
    use super::*;

    fn addresses(ips: &[[u8; 4]]) -> Vec<LanAddress> {
        ips.iter().map(|ip| LanAddress { ip: (*ip).into(), interface: "eth0".to_owned() }).collect()
    }

    #[test]
    fn the_room_is_never_the_internet() {
        let of = |private: &[[u8; 4]], public: &[[u8; 4]]| {
            room(&Lan { private: addresses(private), public: addresses(public) })
        };
        let (here, elsewhere) = ([192, 168, 0, 7], [198, 41, 0, 4]);

        assert_eq!(of(&[here, [10, 0, 0, 1]], &[]).unwrap(), Ipv4Addr::UNSPECIFIED);
        assert_eq!(of(&[here], &[elsewhere]).unwrap(), Ipv4Addr::from(here));
        assert!(of(&[], &[elsewhere]).unwrap_err().to_string().contains("--addr 198.41.0.4:7007"));
        assert!(of(&[], &[]).unwrap_err().to_string().contains("on no network"));
    }
}

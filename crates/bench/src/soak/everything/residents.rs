//! The programs that run during the whole soak: a server of every policy and every I/O mode, a class, and a watch.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use super::promise::Promise;
use super::resident::Resident;
use super::stage::echoctl;
use super::web::scrape;

/// A server whose clients are checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct EchoServer {
    pub(super) name: &'static str,
    /// Its options, separated by spaces.
    options: &'static str,
    pub(super) promise: Promise,
    /// Whether peers that stall, reset and leave visit it. They check every byte, so not where bytes are dropped; and where one stalled
    /// peer stalls all of them, only one client visits at a time.
    pub(super) has_crowd: bool,
}

/// Every policy, and every I/O mode.
pub(super) const SERVERS: [EchoServer; 10] = [
    echoing("await", "--backpressure await"),
    // More than a crowd can send, so that no peer is reset; and a limit if one could.
    echoing("off", "--backpressure off --memory-limit 1GiB"),
    echoing("bounded", "--backpressure bounded"),
    echoing("watermark", "--backpressure watermark"),
    echoing("budget", "--backpressure budget"),
    EchoServer { promise: Promise::MayDrop, has_crowd: false, ..echoing("drop", "--backpressure drop") },
    EchoServer {
        promise: Promise::MayDisconnect,
        // Longer than a client that reads waits for its turn on a busy machine.
        ..echoing("disconnect", "--backpressure disconnect --grace 2s")
    },
    echoing("threads", "--io threads"),
    EchoServer { has_crowd: false, ..echoing("one-thread", "--io one-thread") },
    echoing("uring", "--io uring"),
];

const fn echoing(name: &'static str, options: &'static str) -> EchoServer {
    EchoServer { name, options, promise: Promise::Echoes, has_crowd: true }
}

/// Where the residents can be reached.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// In the order of [`SERVERS`].
    pub(super) servers: Vec<SocketAddr>,
    pub(super) class: Option<SocketAddr>,
    pub(super) page: Option<(SocketAddr, String)>,
    /// Of all residents.
    pub(super) metrics: Vec<SocketAddr>,
}

/// Starts all residents.
pub(super) fn start(program: &Path, scratch: &Path) -> Result<(Vec<Resident>, Addresses)> {
    let mut residents = Vec::new();
    let mut addresses = Addresses::default();
    for server in SERVERS {
        let mut command = echoctl(program, scratch);
        command.args(["serve", "--json", UNTIL_STDIN_ENDS, "--addr", ANY_PORT, "--metrics", ANY_PORT]);
        command.args(["--sndbuf", KERNEL_BUFFER, "--rcvbuf", KERNEL_BUFFER]);
        command.args(server.options.split(' '));
        let resident = Resident::start(&format!("serve: {}", server.name), command, |heard| {
            heard.echo.is_some() && heard.metrics.is_some()
        })?;
        addresses.servers.push(resident.heard().echo.context("the server has no address")?);
        residents.push(resident);
    }

    let mut class = echoctl(program, scratch);
    class.args(["class", "--json", UNTIL_STDIN_ENDS, "--addr", ANY_PORT, "--page", ANY_PORT]);
    class.args(["--metrics", ANY_PORT]);
    let class = Resident::start("class", class, |heard| {
        heard.echo.is_some() && heard.page.is_some() && heard.metrics.is_some()
    })?;
    addresses.class = class.heard().echo;
    addresses.page = class.heard().page.clone();
    residents.push(class);

    // Not of all listeners of the host: it has files of their processes open, and other programs come and go.
    let mut watch = echoctl(program, scratch);
    watch
        .args(["watch", UNTIL_STDIN_ENDS, "--metrics", ANY_PORT])
        .args(addresses.servers.iter().map(SocketAddr::to_string));
    residents.push(Resident::start("watch --metrics", watch, |heard| heard.metrics.is_some())?);

    addresses.metrics = residents.iter().filter_map(|resident| resident.heard().metrics).collect();
    // The first scrape opens files that later ones use again.
    addresses.metrics.iter().try_for_each(|addr| scrape(*addr))?;
    Ok((residents, addresses))
}

/// So that none of them outlives a soak that is killed.
const UNTIL_STDIN_ENDS: &str = "--until-stdin-ends";

const ANY_PORT: &str = "127.0.0.1:0";

/// With the kernel's own buffers, no flood that a crowd can afford would reach the servers' limits.
const KERNEL_BUFFER: &str = "64KiB";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_and_every_io_mode_has_a_server() {
        let options: Vec<_> = SERVERS.iter().map(|server| server.options).collect();
        for policy in ["await", "off", "bounded", "watermark", "drop", "disconnect", "budget"] {
            let option = format!("--backpressure {policy}");
            assert!(options.iter().any(|options| options.contains(&option)), "{policy}");
        }
        for mode in ["threads", "one-thread", "uring"] {
            let option = format!("--io {mode}");
            assert!(options.iter().any(|options| options.contains(&option)), "{mode}");
        }
    }
}

//! The misbehaving programs of the cases: hidden modes of this very program, so that no other
//! language is needed.
//!
//! `xtask __peer MODE ADDR [FOLDER]`, where ADDR may be a port of 127.0.0.1. A server prints `listening on ADDR`.

mod life;
mod server;
mod stranger;

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};

use super::kit::sys;

pub(crate) fn run(words: &[&str]) -> Result<()> {
    // It exits at last even if the case that started it does not stop it.
    sys::end_after(LONGEST_LIFE);
    let (&mode, rest) = words.split_first().context("mode missing")?;
    let addr = address(rest.first().copied().unwrap_or("0"))?;
    let argument = rest.get(1).copied().unwrap_or_default();
    if let Some(behaviour) = server::behaviour(mode) {
        return server::serve(addr, behaviour);
    }
    match mode {
        "backlog" => server::never_accept(addr),
        "named" => server::named(addr),
        "spout" => spout(argument),
        "stranger" | "sharing-stranger" | "successor" => stranger::run(mode, addr),
        _ if life::run(mode, addr, argument)? => Ok(()),
        _ => bail!("unknown peer '{mode}'"),
    }
}

/// Prints the same for ever: a recording that never ends.
fn spout(text: &str) -> Result<()> {
    let piece = text.repeat((64 << 10) / text.len().max(1));
    loop {
        std::io::stdout().write_all(piece.as_bytes())?;
    }
}

/// Prints a line immediately: the case waits for it.
fn print_line(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // If the output has no reader any more, no case waits for it.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn address(text: &str) -> Result<SocketAddr> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let mut found = text.to_socket_addrs().with_context(|| format!("'{text}' is not an address"))?;
    found.next().with_context(|| format!("'{text}' has no address"))
}

/// In seconds: longer than any case.
const LONGEST_LIFE: u32 = 600;

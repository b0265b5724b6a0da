//! The load: blocking sockets and plain threads, that know nothing of echoctl. Every byte that comes back is checked.

mod crowd;
mod frames;
mod ping;
mod stall;
mod stream;

pub(crate) use crowd::{connect, echo_each};
pub(crate) use frames::{Framing, frames};
pub(crate) use ping::ping;
pub(crate) use stall::stall;
pub(crate) use stream::stream;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// A connection that does not wait for ever for a server that has stopped.
fn open(addr: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(addr).context("cannot connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Far longer than anything measured here takes.
const PATIENCE: Duration = Duration::from_secs(20);

//! The load: plain threads, without any code of echoctl. Every byte that comes back is checked.
//!
//! Sockets block, except where few threads serve many of them (`polled.rs`).

mod crowd;
mod frames;
mod ping;
mod placement;
mod polled;
mod stall;
mod stream;

pub(crate) use crowd::{connect, echo_each};
pub(crate) use frames::{Framing, frames};
pub(crate) use ping::{Pings, Threads, closed_loop, ping};
pub(crate) use placement::Placement;
pub(crate) use stall::stall;
pub(crate) use stream::stream;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// A connection whose reads and writes time out if the server hangs.
fn open(addr: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(addr).context("cannot connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// Far longer than any operation measured here.
const TIMEOUT: Duration = Duration::from_secs(20);

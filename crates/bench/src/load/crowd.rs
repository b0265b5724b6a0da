//! Many connections, one after another.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, ensure};

/// Opens `count` connections that stay idle.
pub(crate) fn connect(addr: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    (0..count).map(|_| super::open(addr)).collect()
}

/// Sends a block over each connection in turn, and reads it back.
pub(crate) fn echo_each(streams: &[TcpStream], block: &[u8]) -> Result<()> {
    let mut back = vec![0; block.len()];
    for mut stream in streams {
        stream.write_all(block)?;
        stream.read_exact(&mut back)?;
        ensure!(back == block, "wrong bytes came back");
    }
    Ok(())
}

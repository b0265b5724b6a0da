//! A sink: reads everything and replies nothing, as iperf3's server does, with its reads of 128 KiB.

use std::io::{self, Read};
use std::net::TcpStream;

pub(crate) fn discard(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

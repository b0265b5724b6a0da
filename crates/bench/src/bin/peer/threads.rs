//! Blocking I/O with one thread per connection: no runtime at all, and backpressure for free.

use std::io::{self, Read, Write};
use std::net::TcpStream;

pub(crate) fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

//! Names the connections of a flood: the first frame of each is `name NAME`.
//!
//! A class server takes the name from it. Every echo server sends it back, and the flood waits for that, so that what follows is
//! nothing but numbered frames in both directions.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use echoctl_proto::{Buffer, Framing};
use tokio::time::timeout;

use super::{Connection, Flood};
use crate::error::Error;

impl Flood {
    /// Names all connections, one after the other: sends `name NAME` as the first frame and waits for its echo. The frame counts
    /// neither as sent nor as read.
    ///
    /// # Errors
    /// If the framing cannot express the name; if a server does not echo it within
    /// [`Config::connect_timeout`](super::Config::connect_timeout).
    pub async fn introduce(&self, name: &str) -> Result<(), Error> {
        let frame = frame(self.config.framing, name).ok_or_else(|| {
            Error::Invalid(format!("name '{}': expected one short line", name.escape_debug()))
        })?;
        for connection in self.connections.iter() {
            let echoed = connection.introduce(&frame, self.config.connect_timeout).await;
            echoed.map_err(|source| Error::NotEchoed { addr: self.config.addr, source })?;
        }
        Ok(())
    }
}

impl Connection {
    /// Bytes of the frame that named it, which the kernels count and this connection does not.
    pub fn introduction(&self) -> u64 {
        self.introduction.load(Relaxed)
    }

    async fn introduce(&self, frame: &[u8], within: Duration) -> io::Result<()> {
        self.introduction.store(frame.len() as u64, Relaxed);
        let exchange = async {
            self.send(frame).await?;
            self.expect(frame).await
        };
        timeout(within, exchange).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
    }

    async fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while sent < frame.len() {
            self.stream.writable().await?;
            sent += unless_blocked(self.stream.try_write(&frame[sent..]))?.unwrap_or(0);
        }
        Ok(())
    }

    /// Reads as many bytes as `frame` has, which must be the same.
    async fn expect(&self, frame: &[u8]) -> io::Result<()> {
        let mut echo = vec![0; frame.len()];
        let mut arrived = 0;
        while arrived < echo.len() {
            self.stream.readable().await?;
            match unless_blocked(self.stream.try_read(&mut echo[arrived..]))? {
                Some(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection")),
                bytes => arrived += bytes.unwrap_or(0),
            }
            if echo[..arrived] != frame[..arrived] {
                return Err(io::Error::new(ErrorKind::InvalidData, "it sent something else"));
            }
        }
        Ok(())
    }
}

/// The result; `None` if the socket has to be waited for.
fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

/// The frame that names a connection; `None` if the name has control characters, which could end a line.
fn frame(framing: Framing, name: &str) -> Option<Vec<u8>> {
    if name.chars().any(char::is_control) {
        return None;
    }
    let payload = format!("name {name}");
    let mut frame = Buffer::new(payload.len() + framing.overhead());
    framing.encode(payload.as_bytes(), &mut frame).ok()?;
    Some(frame.unread().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_frame_of_any_framing() {
        let named = |framing| frame(framing, "ada").unwrap();

        assert_eq!(named(Framing::Lines), b"name ada\n");
        assert_eq!(named(Framing::U16), b"\0\x08name ada");
        assert_eq!(named(Framing::U32), b"\0\0\0\x08name ada");
        assert_eq!(named(Framing::Raw), b"name ada");
        assert_eq!(frame(Framing::U16, "two\nlines"), None);
    }
}

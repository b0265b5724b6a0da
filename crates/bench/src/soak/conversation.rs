//! One connection with what was sent over it and what has come back, every byte checked.
//!
//! All methods are cancellation-safe: what was sent and what has come back is always counted.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

use super::block::Block;

/// A peer's side of a connection.
pub(super) struct Conversation<'a> {
    socket: TcpStream,
    block: &'a Block,
    /// Positions in the ring of the block: of the next byte to send, and of the next to come back. Invariant: `back <= sent`.
    sent: u64,
    back: u64,
    /// Bytes that have come back to all peers and were correct.
    checked: &'a Cell<u64>,
}

impl<'a> Conversation<'a> {
    /// Connects; the first byte to send is at the position `start`.
    pub(super) async fn open(
        addr: SocketAddr,
        block: &'a Block,
        start: u64,
        checked: &'a Cell<u64>,
    ) -> Result<Conversation<'a>> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_nodelay(true)?;
        let socket = socket.connect(addr).await.context("cannot connect")?;
        Ok(Conversation { socket, block, sent: start, back: start, checked })
    }

    /// Sends this many bytes and reads none, without a time limit; stops early once `is_enough`.
    pub(super) async fn flood(&mut self, bytes: u64, is_enough: impl Fn() -> bool) -> Result<()> {
        let end = self.sent + bytes;
        while self.sent < end && !is_enough() {
            self.socket.writable().await?;
            self.send(end)?;
        }
        Ok(())
    }

    /// Sends a frame, and reads until it is back. The caller must have caught up.
    pub(super) async fn ping(&mut self) -> Result<()> {
        self.exchange(self.block.frame_end(self.sent + 1)).await
    }

    /// Sends the rest of the last frame, and reads everything that was sent.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        self.exchange(self.block.frame_end(self.sent)).await
    }

    /// Sends the rest of the last frame, shuts down the sending side, waits for `pause`, and reads to the end of the stream.
    pub(super) async fn half_close(&mut self, pause: impl Future<Output = ()>) -> Result<()> {
        let end = self.block.frame_end(self.sent);
        while self.sent < end {
            self.step(end).await?;
        }
        self.socket.shutdown().await?;
        pause.await;
        while self.step(end).await? != Step::End {}
        let missing = self.sent - self.back;
        ensure!(missing == 0, "the stream ended, and {missing} bytes have not come back");
        Ok(())
    }

    /// Resets the connection. (To close it, drop it.)
    pub(super) fn reset(self) -> Result<()> {
        Ok(SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))?)
    }

    async fn exchange(&mut self, end: u64) -> Result<()> {
        while self.back < end {
            ensure!(self.step(end).await? == Step::Open, "the stream ended, and bytes have not come back");
        }
        Ok(())
    }

    /// Waits for the socket, then sends towards `end` and reads what has arrived.
    async fn step(&mut self, end: u64) -> Result<Step> {
        let is_sending = self.sent < end;
        let interest = if is_sending { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = self.socket.ready(interest).await?;
        if is_sending && ready.is_writable() {
            self.send(end)?;
        }
        if ready.is_readable() { self.read() } else { Ok(Step::Open) }
    }

    fn send(&mut self, end: u64) -> Result<()> {
        let bytes = self.block.from(self.sent);
        let most = bytes.len().min((end - self.sent) as usize);
        if let Some(count) = unless_not_ready(self.socket.try_write(&bytes[..most]))? {
            self.sent += count as u64;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Step> {
        let mut buffer = [0; READ];
        match unless_not_ready(self.socket.try_read(&mut buffer))? {
            None => Ok(Step::Open),
            Some(0) => Ok(Step::End),
            Some(count) => {
                ensure!(self.back + count as u64 <= self.sent, "more bytes came back than were sent");
                ensure!(self.block.is_at(self.back, &buffer[..count]), "wrong bytes came back");
                self.back += count as u64;
                self.checked.set(self.checked.get() + count as u64);
                Ok(Step::Open)
            }
        }
    }
}

/// Whether more may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    End,
}

fn unless_not_ready(count: io::Result<usize>) -> io::Result<Option<usize>> {
    match count {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes requested for each of a peer's own socket buffers (Linux doubles them): without a limit, a thousand stalled peers
/// would occupy gigabytes in the kernel.
const KERNEL_BUFFER: u32 = 64 * 1024;

/// Bytes per read. On the stack, since only one peer reads at a time.
const READ: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use echoctl_proto::Framing;

    use super::*;

    /// A server for one connection, which sends back the result of `answer` for each piece, at most `most` bytes in total.
    fn server(mut answer: impl FnMut(&mut [u8]) + Send + 'static, most: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let (mut buffer, mut left) = ([0; 4096], most);
            while let Ok(count) = socket.read(&mut buffer) {
                let count = count.min(left);
                answer(&mut buffer[..count]);
                // A peer that has finished closes the connection.
                if count == 0 || socket.write_all(&buffer[..count]).is_err() {
                    break;
                }
                left -= count;
            }
        });
        addr
    }

    /// A peer that pings, floods, catches up and half-closes.
    fn converse(addr: SocketAddr) -> Result<u64> {
        let checked = Cell::new(0);
        let block = Block::new(Framing::Lines, 5);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut conversation = Conversation::open(addr, &block, 0, &checked).await?;
            conversation.ping().await?;
            conversation.flood(9999, || false).await?;
            conversation.catch_up().await?;
            conversation.flood(9999, || false).await?;
            conversation.half_close(async {}).await
        })?;
        Ok(checked.get())
    }

    #[test]
    fn a_true_echo_is_accepted() {
        let checked = converse(server(|_| {}, usize::MAX)).unwrap();

        assert!(checked > 2 * 9999, "{checked} bytes checked");
    }

    #[test]
    fn a_wrong_byte_is_an_error() {
        let mut before = 0;
        let addr = server(
            move |piece| {
                // Byte 12,000 of the stream.
                if let Some(byte) = 12_000_usize.checked_sub(before).and_then(|at| piece.get_mut(at)) {
                    *byte ^= 1;
                }
                before += piece.len();
            },
            usize::MAX,
        );

        assert_eq!(converse(addr).unwrap_err().to_string(), "wrong bytes came back");
    }

    #[test]
    fn an_early_end_is_an_error() {
        let error = converse(server(|_| {}, 5000)).unwrap_err();

        assert!(error.to_string().contains("have not come back") || error.is::<io::Error>(), "{error:#}");
    }
}

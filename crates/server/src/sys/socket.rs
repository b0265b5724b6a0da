//! The socket of a task: its reads and writes leave the task's waker where they would have to wait.
//!
//! A read that returns less than it had room for is the last one until the kernel reports more, so waiting costs no system call.
//! There is one exception: on Linux a read also stops at a byte that the peer has marked as urgent, even if more bytes follow,
//! which may be the last ones. The kernel says so when it reports what has arrived, if it was asked to. tokio's own socket does not
//! ask. It would forget those bytes until more of them arrive.

#[cfg(target_os = "linux")]
pub(crate) use self::linux::{Socket, poll_read, poll_write, register};
#[cfg(not(target_os = "linux"))]
pub(crate) use self::other::{Socket, poll_read, poll_write, register};

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Read, Write};
    use std::net::TcpStream;
    use std::task::{Context, Poll, ready};

    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub(crate) type Socket = AsyncFd<TcpStream>;

    /// Has the runtime of the current context wait for events of a socket, which must not be blocking.
    ///
    /// # Errors
    /// If the kernel has no memory for it.
    pub(crate) fn register(socket: TcpStream) -> io::Result<Socket> {
        let events = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        // SAFETY: a TcpStream owns its descriptor, which is open and stays the same until it is dropped.
        let registered = unsafe { AsyncFd::register_with_interest(socket, events) };
        Ok(registered?)
    }

    /// Reads once. Pending if nothing has arrived.
    pub(crate) fn poll_read(
        socket: &mut Socket,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut readiness = ready!(socket.poll_read_ready(cx))?;
            // An error means that there was nothing, which is then remembered.
            let Ok(read) = readiness.try_io(|socket| socket.get_ref().read(room)) else { continue };
            if is_short(&read, room.len()) && !has_had_urgent_bytes(socket) {
                readiness.clear_ready();
            }
            return Poll::Ready(read);
        }
    }

    /// Writes once. Pending if the kernel accepts nothing.
    pub(crate) fn poll_write(
        socket: &mut Socket,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut readiness = ready!(socket.poll_write_ready(cx))?;
            let Ok(written) = readiness.try_io(|socket| socket.get_ref().write(bytes)) else { continue };
            if is_short(&written, bytes.len()) {
                readiness.clear_ready();
            }
            return Poll::Ready(written);
        }
    }

    /// Whether there was less than was asked for, so that there is no more now.
    fn is_short(result: &io::Result<usize>, wanted: usize) -> bool {
        result.as_ref().is_ok_and(|&count| 0 < count && count < wanted)
    }

    /// Whether the kernel has ever reported an urgent byte: since it reported what is being read, or before. What arrives later it
    /// reports again. (It answers yes at the end of the stream too, where that does no harm.)
    fn has_had_urgent_bytes(socket: &Socket) -> bool {
        socket.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::TcpStream;

    pub(crate) type Socket = TcpStream;

    pub(crate) fn register(socket: std::net::TcpStream) -> io::Result<Socket> {
        TcpStream::from_std(socket)
    }

    /// Whether these systems stop at urgent bytes is unknown, so nothing is done about it.
    pub(crate) fn poll_read(
        socket: &mut Socket,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        Pin::new(socket).poll_read(cx, &mut room).map_ok(|()| room.filled().len())
    }

    pub(crate) fn poll_write(
        socket: &mut Socket,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(socket).poll_write(cx, bytes)
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpStream;

    use echoctl_testkit::{DEADLINE, eventually, pair};
    use socket2::SockRef;
    use tokio::io::Interest;
    use tokio::time::timeout;

    use super::*;
    use crate::sys::Descriptor;

    /// A socket that has not waited for events yet, and its peer.
    fn sockets() -> (TcpStream, Socket) {
        let (peer, socket) = pair();
        SockRef::from(&socket).set_out_of_band_inline(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        (peer, register(socket).unwrap())
    }

    /// Reads `count` bytes, with room for more.
    async fn read(socket: &mut Socket, count: usize) -> Vec<u8> {
        let (mut room, mut bytes) = ([0; 100], Vec::new());
        while bytes.len() < count {
            let reading = timeout(DEADLINE, poll_fn(|cx| poll_read(socket, cx, &mut room))).await;
            let count = reading.expect("bytes have arrived").unwrap();
            bytes.extend_from_slice(&room[..count]);
        }
        bytes
    }

    #[tokio::test]
    async fn bytes_after_an_urgent_one_are_not_forgotten() {
        let (mut peer, mut socket) = sockets();
        // The second time, the kernel has reported urgent bytes before.
        for _ in 0..2 {
            peer.write_all(b"before").unwrap();
            SockRef::from(&peer).send_out_of_band(b"!").unwrap();
            peer.write_all(b"after").unwrap();
            eventually("all has arrived", || Descriptor::of(&peer).send_queue() == Some(0));

            assert_eq!(read(&mut socket, 12).await, b"before!after");
        }
    }

    #[tokio::test]
    async fn a_short_read_is_the_last_until_more_arrives() {
        let (mut peer, mut socket) = sockets();
        for _ in 0..3 {
            peer.write_all(b"ping").unwrap();
            assert_eq!(read(&mut socket, 4).await, b"ping");

            let tried = socket.try_io(Interest::READABLE, |_| Ok(()));

            assert!(tried.is_err(), "it would read again, without a result");
        }
    }
}

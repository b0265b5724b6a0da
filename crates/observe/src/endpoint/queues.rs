//! Queues of this process's own sockets: the bytes in them.

use std::io;

/// Access to the file descriptor of a socket, needed to measure it.
#[cfg(unix)]
pub use std::os::fd::AsFd as AsHandle;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket as AsHandle;

/// Bytes written to a socket that the peer's kernel has not acknowledged, sent or not. `None` on Windows, which does
/// not show them.
///
/// # Errors
/// If it is not a TCP socket.
pub fn send_queue(socket: &(impl AsHandle + ?Sized)) -> io::Result<Option<u64>> {
    #[cfg(target_os = "linux")]
    return crate::sys::ioctl_count(socket.as_fd(), crate::sys::Request::Unacknowledged)
        .map(|n| Some(n.into()));
    #[cfg(target_vendor = "apple")]
    return crate::sys::unacknowledged(socket.as_fd()).map(|n| Some(n.into()));
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    {
        let _ = socket;
        Ok(None)
    }
}

/// Bytes that have arrived at a socket and were not read.
///
/// # Errors
/// If the socket cannot be read from.
pub fn receive_queue(socket: &(impl AsHandle + ?Sized)) -> io::Result<u64> {
    #[cfg(unix)]
    return crate::sys::ioctl_count(socket.as_fd(), crate::sys::Request::Unread).map(u64::from);
    #[cfg(windows)]
    return crate::sys::unread(socket.as_socket()).map(u64::from);
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::{Read, Write};

    use echoctl_testkit::{eventually, pair};

    use super::*;

    #[test]
    fn bytes_are_in_the_receive_queue_until_they_are_read() {
        let (mut client, mut server) = pair();

        client.write_all(&[7; 1000]).unwrap();
        eventually("the bytes arrive", || {
            receive_queue(&server).unwrap() == 1000 && send_queue(&client).unwrap() == Some(0)
        });
        server.read_exact(&mut [0; 400]).unwrap();

        assert_eq!(receive_queue(&server).unwrap(), 600);
    }
}

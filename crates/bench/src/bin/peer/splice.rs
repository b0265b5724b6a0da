//! Zero copy: `splice` from the socket into a pipe and from the pipe into the socket, one thread per connection.
#![allow(unsafe_code)]

use std::io::{self, PipeReader, PipeWriter};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

pub(crate) fn echo(stream: TcpStream) -> io::Result<()> {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe()?;
    // SAFETY: fcntl with F_SETPIPE_SZ gets a descriptor that is open here, and an integer. If it fails, the pipe stays smaller.
    unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE as libc::c_int) };
    loop {
        let mut left = splice(&stream, &writer, PIPE)?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            left -= splice(&reader, &stream, left)?;
        }
    }
}

/// Moves at most `most` bytes between the two file descriptors. Returns the number of bytes, 0 at the end of the stream.
fn splice(from: &impl AsRawFd, to: &impl AsRawFd, most: usize) -> io::Result<usize> {
    let (from, to, nowhere) = (from.as_raw_fd(), to.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: both file descriptors are borrowed, so they are open during the call; sockets and pipes require null offsets.
    let moved = unsafe { libc::splice(from, nowhere, to, nowhere, most, libc::SPLICE_F_MOVE) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Bytes of a pipe's buffer: the maximum for an unprivileged user.
const PIPE: usize = 1 << 20;

//! Zero copy: `splice` from the socket into a pipe and from the pipe into the socket, a thread a connection.
#![allow(unsafe_code)]

use std::io::{self, PipeReader, PipeWriter};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use anyhow::Result;

pub(crate) fn serve(listener: TcpListener) -> Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        // An error means that the peer has gone.
        thread::Builder::new().spawn(move || echo(&stream))?;
    }
    Ok(())
}

fn echo(stream: &TcpStream) -> io::Result<()> {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe()?;
    // SAFETY: fcntl with F_SETPIPE_SZ takes a descriptor, open here, and an integer. A refusal leaves the pipe smaller.
    unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE as libc::c_int) };
    loop {
        let mut left = splice(stream, &writer, PIPE)?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            left -= splice(&reader, stream, left)?;
        }
    }
}

/// Moves at most `most` bytes from one descriptor to the other. Returns how many it moved, 0 at the end.
fn splice(from: &impl AsRawFd, to: &impl AsRawFd, most: usize) -> io::Result<usize> {
    let (from, to, nowhere) = (from.as_raw_fd(), to.as_raw_fd(), std::ptr::null_mut());
    // SAFETY: both descriptors are borrowed for the call and so open; null offsets are what sockets and pipes ask for.
    let moved = unsafe { libc::splice(from, nowhere, to, nowhere, most, libc::SPLICE_F_MOVE) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// Bytes that a pipe holds: the most that an ordinary user may ask for.
const PIPE: usize = 1 << 20;

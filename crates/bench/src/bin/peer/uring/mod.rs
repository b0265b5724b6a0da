//! io_uring without a runtime: one ring per CPU, connections spread by `SO_REUSEPORT`.
//!
//! ```text
//! receive into a buffer of the ring's pool ──> send it, then receive again (linked) ──> the buffer returns to the pool
//! ```
//!
//! A connection that waits for bytes has no buffer: the kernel takes one from the pool when they arrive. All sends and receives
//! that one batch of completions causes are submitted by one `io_uring_enter`, which also waits for the next batch. The receive is linked
//! to the send: it starts when everything has been sent, so a peer that does not read is not read either. Each such peer occupies a
//! buffer, and as many of them as there are buffers stop their ring: the price of a pool.
#![allow(unsafe_code)]

mod buffers;

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use anyhow::{Context, Result, bail};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;
use io_uring::{IoUring, SubmissionQueue, Submitter, cqueue, opcode};

use buffers::{BUFFER, Buffers, GROUP};

/// Serves the connections of one listener.
pub(crate) fn serve(listener: TcpListener) -> Result<()> {
    let mut ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(COMPLETIONS)
        .build(SUBMISSIONS)
        .context("cannot set up io_uring")?;
    let (submitter, queue, mut completions) = ring.split();
    let buffers = Buffers::register(&submitter).context("cannot register buffers for io_uring")?;
    let mut server =
        Server { listener, buffers, requests: Requests { submitter, queue }, starved: Vec::new() };
    server.accept()?;
    loop {
        server.requests.submit_and_wait()?;
        completions.sync();
        for completion in &mut completions {
            server.handle(&completion)?;
        }
    }
}

/// The server on one ring.
struct Server<'a> {
    listener: TcpListener,
    buffers: Buffers,
    requests: Requests<'a>,
    /// Connections whose receive found no buffer. It takes one before it looks for bytes, so they may have none.
    starved: Vec<RawFd>,
}

impl Server<'_> {
    fn handle(&mut self, completion: &cqueue::Entry) -> Result<()> {
        let (flags, count) = (completion.flags(), completion.result());
        match Request::from(completion.user_data()) {
            Request::Accept => {
                if count >= 0 {
                    self.begin(count)?;
                }
                if !cqueue::more(flags) {
                    self.accept()?;
                }
            }
            Request::Receive(connection) => match (count, cqueue::buffer_select(flags)) {
                (1.., Some(buffer)) => self.echo(connection, buffer, count as u32)?,
                (1.., None) => bail!("bytes were received without a buffer"),
                (NO_BUFFER, _) => self.starved.push(connection),
                // The send before it has failed, and closed the connection.
                (CANCELLED, _) => {}
                _ => close(connection),
            },
            Request::Send(connection, buffer) => {
                let is_whole = u32::try_from(count) == Ok(self.buffers.filled(buffer));
                self.buffers.give_back(buffer);
                if !is_whole {
                    close(connection);
                }
                // All of them, since those without bytes leave the buffer to the next.
                for starved in std::mem::take(&mut self.starved) {
                    self.requests.push(&[receive(starved)])?;
                }
            }
        }
        Ok(())
    }

    /// Accepts connections until further notice: each is a completion.
    fn accept(&mut self) -> Result<()> {
        let accept = opcode::AcceptMulti::new(Fd(self.listener.as_raw_fd())).build();
        self.requests.push(&[accept.user_data(Request::Accept.into())])
    }

    fn begin(&mut self, connection: RawFd) -> Result<()> {
        // SAFETY: the kernel has just created this file descriptor for us.
        let stream = unsafe { TcpStream::from_raw_fd(connection) };
        // An error means that the peer has gone, which the receive reports too.
        let _ = stream.set_nodelay(true);
        // From here on the requests own it, until `close`.
        std::mem::forget(stream);
        self.requests.push(&[receive(connection)])
    }

    /// Sends the received bytes back, and then receives more.
    fn echo(&mut self, connection: RawFd, buffer: u16, count: u32) -> Result<()> {
        let bytes = self.buffers.fill(buffer, count);
        // With MSG_WAITALL a send is complete or has failed, and then the linked receive is cancelled.
        let send = opcode::Send::new(Fd(connection), bytes, count).flags(libc::MSG_WAITALL).build();
        let send = send.flags(Flags::IO_LINK).user_data(Request::Send(connection, buffer).into());
        self.requests.push(&[send, receive(connection)])
    }
}

fn receive(connection: RawFd) -> Entry {
    let receive = opcode::Recv::new(Fd(connection), std::ptr::null_mut(), BUFFER).buf_group(GROUP).build();
    receive.flags(Flags::BUFFER_SELECT).user_data(Request::Receive(connection).into())
}

fn close(connection: RawFd) {
    // SAFETY: it is open, since it is closed only here, when its last request has completed, or been cancelled with this one.
    drop(unsafe { TcpStream::from_raw_fd(connection) });
}

/// Requests for the kernel.
struct Requests<'a> {
    submitter: Submitter<'a>,
    queue: SubmissionQueue<'a>,
}

impl Requests<'_> {
    /// Queues requests that belong together. They are submitted with the next wait, or when the queue is full.
    fn push(&mut self, entries: &[Entry]) -> Result<()> {
        // SAFETY: what the requests point to outlives them: buffers live as long as the process, and one in a send is given back
        // only when the send has completed.
        while unsafe { self.queue.push_multiple(entries) }.is_err() {
            self.queue.sync();
            self.submitter.submit().context("cannot submit requests to io_uring")?;
            self.queue.sync();
        }
        Ok(())
    }

    fn submit_and_wait(&mut self) -> Result<()> {
        self.queue.sync();
        let waited = match self.submitter.submit_and_wait(1) {
            Err(error) if is_temporary(&error) => Ok(()),
            waited => waited.map(drop),
        };
        self.queue.sync();
        waited.context("cannot wait for io_uring")
    }
}

/// Whether it goes away by itself: a signal, or completions that have to be read first.
fn is_temporary(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Interrupted || error.raw_os_error() == Some(libc::EBUSY)
}

/// A request, as the number that its completion carries.
enum Request {
    Accept,
    Receive(RawFd),
    /// The connection, and the buffer.
    Send(RawFd, u16),
}

impl From<Request> for u64 {
    fn from(request: Request) -> u64 {
        let (kind, buffer, connection) = match request {
            Request::Accept => (0, 0, 0),
            Request::Receive(connection) => (1, 0, connection),
            Request::Send(connection, buffer) => (2, buffer, connection),
        };
        // File descriptors are not negative.
        kind << 48 | u64::from(buffer) << 32 | connection as u64
    }
}

impl From<u64> for Request {
    fn from(number: u64) -> Request {
        let connection = number as u32 as RawFd;
        match number >> 48 {
            0 => Request::Accept,
            1 => Request::Receive(connection),
            _ => Request::Send(connection, (number >> 32) as u16),
        }
    }
}

/// Results of a receive, negative as the kernel reports errors.
const NO_BUFFER: i32 = -libc::ENOBUFS;
const CANCELLED: i32 = -libc::ECANCELED;

/// Requests per submission. A batch of completions can cause more, in several submissions.
const SUBMISSIONS: u32 = 4096;

/// Completions that fit into the ring: one for each connection of the largest crowd.
const COMPLETIONS: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_carries_its_request() {
        let roundtrip = |request: Request| Request::from(u64::from(request));

        assert!(matches!(roundtrip(Request::Accept), Request::Accept));
        assert!(matches!(roundtrip(Request::Receive(RawFd::MAX)), Request::Receive(RawFd::MAX)));
        assert!(matches!(roundtrip(Request::Send(7, u16::MAX)), Request::Send(7, u16::MAX)));
    }
}

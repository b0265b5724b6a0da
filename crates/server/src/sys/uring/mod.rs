//! An io_uring, made safe: it owns everything that the kernel reads or writes in the background, until the kernel is done.
//!
//! Operations are queued, and all of them are submitted with the system call that also waits. Each one completes exactly once. A
//! buffer that is passed to an operation comes back with its completion, so nothing can free or change it before. A ring that is
//! dropped cancels what is in flight and waits for it; if even that fails, the memory is never freed.
//!
//! Sockets must stay open until an operation that was queued for them has completed. Otherwise it might run on another socket, which
//! harms connections, but not memory.

mod completion;
mod operation;
mod provided;
mod refusal;
mod setup;

use std::collections::{HashMap, TryReserveError, VecDeque};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use echoctl_proto::{Buffer, BufferError};
use io_uring::squeue::{self, Flags};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

pub use self::completion::{Completion, Done};
use self::operation::{Kind, Tag};
pub(crate) use self::provided::HEADROOM;
use self::provided::Pool;
pub use self::provided::{Lease, PoolSize};
use self::refusal::is_early_return;
pub use self::refusal::{has_found_no_buffer, is_temporary};

/// An io_uring. It must be used by the thread that created it.
pub struct Ring {
    /// Closed by `drop`, before the memory below is freed.
    uring: ManuallyDrop<IoUring>,
    pools: ManuallyDrop<[Pool; 2]>,
    /// Buffers of operations in flight, by connection.
    own: ManuallyDrop<HashMap<u32, OwnOperation>>,
    /// Leases of sends in flight, by buffer.
    sending: Vec<Option<SendOperation>>,
    /// Operations to be submitted. One with a link flag is followed by the one that it is linked to.
    queued: VecDeque<(squeue::Entry, bool)>,
    /// Number of operations that are queued or in flight.
    pending: usize,
    /// How many of them receive into provided buffers.
    receiving: usize,
    /// How many of them are sends that never wait and have a receive linked to them: nothing needs to be done when they succeed.
    uneventful: usize,
}

/// A send from a provided buffer.
struct SendOperation {
    lease: Lease,
    is_linked: bool,
}

/// An operation with a buffer of the connection's own.
struct OwnOperation {
    buffer: Box<Buffer>,
    receives: bool,
}

/// Which provided buffer a receive takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Of the first pool.
    Small,
    /// Of the second pool.
    Large,
}

impl Ring {
    /// Creates a ring with two pools of provided buffers.
    ///
    /// # Errors
    /// If the kernel or a sandbox refuses it.
    pub fn new(small: PoolSize, large: PoolSize) -> io::Result<Ring> {
        let uring = setup::newest_kind()?;
        let buffers = usize::from(small.count) + usize::from(large.count);
        let pools = [Pool::new(&uring, 0, 0, small)?, Pool::new(&uring, 1, small.count, large)?];
        Ok(Ring {
            uring: ManuallyDrop::new(uring),
            pools: ManuallyDrop::new(pools),
            own: ManuallyDrop::default(),
            sending: (0..buffers).map(|_| None).collect(),
            queued: VecDeque::new(),
            pending: 0,
            receiving: 0,
            uneventful: 0,
        })
    }

    /// Queues a wait until `socket` is readable.
    pub(crate) fn watch(&mut self, socket: &impl AsRawFd) {
        let poll = opcode::PollAdd::new(Fd(socket.as_raw_fd()), libc::POLLIN as u32).build();
        self.queue(poll, Tag::new(Kind::Watch, 0, 0));
    }

    /// Queues a receive into a provided buffer that the kernel chooses when bytes have arrived.
    pub fn receive(&mut self, socket: &impl AsRawFd, connection: u32, size: Size) {
        let receive = self.receive_provided(socket.as_raw_fd(), size);
        self.receiving += 1;
        self.queue(receive, Tag::new(Kind::Receive, 0, connection));
    }

    /// Queues a receive of at most `room` bytes into `buffer`.
    ///
    /// # Errors
    /// If there is no memory. The buffer is lost then.
    pub(crate) fn receive_own(
        &mut self,
        socket: &impl AsRawFd,
        connection: u32,
        mut buffer: Box<Buffer>,
        room: usize,
    ) -> Result<(), BufferError> {
        let space = buffer.spare(room)?;
        let receive = opcode::Recv::new(Fd(socket.as_raw_fd()), space.as_mut_ptr(), room as u32).build();
        // The free space does not move with the buffer's value, which is stored until the operation has completed.
        self.store(connection, OwnOperation { buffer, receives: true })?;
        self.queue(receive, Tag::new(Kind::Own, 0, connection));
        Ok(())
    }

    /// Queues a send of the first `count` bytes of a lease, which does not wait for the peer. If the kernel accepts all of them, it
    /// then receives into a buffer of the size `next`; if not, that receive is cancelled.
    pub(crate) fn send(
        &mut self,
        socket: &impl AsRawFd,
        connection: u32,
        lease: Lease,
        count: usize,
        next: Option<Size>,
    ) {
        let send = self.send_provided(socket.as_raw_fd(), &lease, count, libc::MSG_DONTWAIT);
        let tag = Tag::new(Kind::Send, lease.buffer, connection);
        let buffer = usize::from(lease.buffer);
        self.sending[buffer] = Some(SendOperation { lease, is_linked: next.is_some() });
        match next {
            None => self.queue(send, tag),
            Some(size) => {
                self.uneventful += 1;
                self.queue_linked(send, tag);
                self.receive(socket, connection, size);
            }
        }
    }

    /// Queues a send of all bytes of a lease, which waits for the peer. Until the peer has read enough, the buffer is missing to all others, so
    /// a server should not do this; `echoctl lesson isolation` shows why.
    pub fn send_held(&mut self, socket: &impl AsRawFd, connection: u32, lease: Lease) {
        let send = self.send_provided(socket.as_raw_fd(), &lease, lease.len(), 0);
        let tag = Tag::new(Kind::Send, lease.buffer, connection);
        let buffer = usize::from(lease.buffer);
        self.sending[buffer] = Some(SendOperation { lease, is_linked: false });
        self.queue(send, tag);
    }

    /// Queues a send of the first `count` unread bytes of `buffer`, which waits until the peer has room for some of them.
    ///
    /// # Errors
    /// If there is no memory. The buffer is lost then.
    pub(crate) fn send_own(
        &mut self,
        socket: &impl AsRawFd,
        connection: u32,
        buffer: Box<Buffer>,
        count: usize,
    ) -> Result<(), TryReserveError> {
        let bytes = &buffer.unread()[..count];
        let send = opcode::Send::new(Fd(socket.as_raw_fd()), bytes.as_ptr(), count as u32)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.store(connection, OwnOperation { buffer, receives: false })?;
        self.queue(send, Tag::new(Kind::Own, 0, connection));
        Ok(())
    }

    /// Has the receive of a connection complete now, whether bytes have arrived or not.
    pub(crate) fn cancel_receive(&mut self, connection: u32) {
        let kind = if self.own.contains_key(&connection) { Kind::Own } else { Kind::Receive };
        let cancel = opcode::AsyncCancel::new(Tag::new(kind, 0, connection).to_u64()).build();
        self.queue(cancel, Tag::new(Kind::Cancel, 0, connection));
    }

    /// The bytes of a lease.
    pub(crate) fn bytes(&self, lease: &Lease) -> &[u8] {
        self.pools[self.pool_of(lease.buffer)].bytes(lease)
    }

    /// Puts `bytes`, at most [`HEADROOM`], in front of those of the lease.
    pub(crate) fn prepend(&mut self, lease: &mut Lease, bytes: &[u8]) {
        let pool = self.pool_of(lease.buffer);
        self.pools[pool].prepend(lease, bytes);
    }

    /// Takes one more provided buffer of this size into use, after a receive has found none. Returns false if all are in use.
    pub fn grow(&mut self, size: Size) -> bool {
        self.pools[size as usize].grow()
    }

    /// Gives a buffer back to the kernel.
    pub fn give_back(&mut self, lease: Lease) {
        let pool = self.pool_of(lease.buffer);
        self.pools[pool].give_back(lease);
    }

    /// Returns the memory of the provided buffers to the system until they are used again, unless one of them is in use or may be soon.
    pub(crate) fn release_pages(&mut self) {
        // What a receive has stored must not be lost. A kernel that defers its work to `submit_and_wait` stores nothing now, and has
        // stored nothing before that has not been taken.
        // (`setup` has a single issuer only with this.)
        let is_deferred = self.uring.params().is_setup_single_issuer();
        let all_taken = self.uring.completion().is_empty() && !self.uring.submission().cq_overflow();
        if self.receiving == 0 || (is_deferred && all_taken) {
            self.pools.iter().for_each(Pool::release_pages);
        }
    }

    /// Submits what is queued, and waits until something has completed besides sends that a receive follows, or until `timeout`.
    ///
    /// # Errors
    /// If the kernel has no memory. What was not submitted stays queued.
    pub fn submit_and_wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.fill()?;
        let wanted = self.uneventful + 1;
        let entered = match timeout {
            None => self.uring.submit_and_wait(wanted),
            Some(timeout) => {
                let timeout = Timespec::from(timeout);
                self.uring.submitter().submit_with_args(wanted, &SubmitArgs::new().timespec(&timeout))
            }
        };
        match entered {
            Err(error) if !is_early_return(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// The next operation that has completed.
    pub fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let entry = self.uring.completion().next()?;
            self.pending -= 1;
            let tag = Tag::from_u64(entry.user_data());
            let result = result_of(&entry);
            let done = match tag.kind {
                Kind::Cancel => continue,
                Kind::Watch => return Some(Completion::Readable),
                Kind::Receive => {
                    self.receiving -= 1;
                    let buffer = cqueue::buffer_select(entry.flags());
                    Done::Received(self.received(buffer, result))
                }
                Kind::Own => {
                    let OwnOperation { mut buffer, receives } =
                        self.own.remove(&tag.connection).expect("it was stored when it was queued");
                    if receives {
                        buffer.commit(*result.as_ref().unwrap_or(&0));
                        Done::ReceivedOwn(buffer, result)
                    } else {
                        Done::SentOwn(buffer, result)
                    }
                }
                Kind::Send => {
                    let operation = self.sending[usize::from(tag.buffer)].take();
                    let SendOperation { lease, is_linked } =
                        operation.expect("it was stored when it was queued");
                    self.uneventful -= usize::from(is_linked);
                    Done::Sent(lease, result)
                }
            };
            return Some(Completion::Of(tag.connection, done));
        }
    }

    fn received(&mut self, buffer: Option<u16>, result: io::Result<usize>) -> io::Result<Option<Lease>> {
        let lease = buffer.map(|buffer| {
            let pool = self.pool_of(buffer);
            self.pools[pool].lease(buffer, *result.as_ref().unwrap_or(&0))
        });
        match (lease, result) {
            (Some(lease), Ok(1..)) => Ok(Some(lease)),
            // At the end of the stream, or with an error, the kernel may have chosen a buffer all the same.
            (lease, result) => {
                lease.into_iter().for_each(|lease| self.give_back(lease));
                result.map(|_| None)
            }
        }
    }

    fn receive_provided(&self, socket: RawFd, size: Size) -> squeue::Entry {
        // The kernel receives as much as the buffer has room for.
        opcode::Recv::new(Fd(socket), std::ptr::null_mut(), 0)
            .buf_group(self.pools[size as usize].group())
            .build()
            .flags(Flags::BUFFER_SELECT)
    }

    fn send_provided(&self, socket: RawFd, lease: &Lease, count: usize, flags: libc::c_int) -> squeue::Entry {
        let bytes = &self.bytes(lease)[..count];
        // "All of them", so that a part of them counts as a failure, which cancels a receive that is linked to this.
        let flags = flags | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        opcode::Send::new(Fd(socket), bytes.as_ptr(), count as u32).flags(flags).build()
    }

    fn store(&mut self, connection: u32, operation: OwnOperation) -> Result<(), TryReserveError> {
        self.own.try_reserve(1)?;
        let before = self.own.insert(connection, operation);
        assert!(before.is_none(), "a connection has one operation of its own in flight");
        Ok(())
    }

    fn queue(&mut self, entry: squeue::Entry, tag: Tag) {
        self.queued.push_back((entry.user_data(tag.to_u64()), false));
        self.pending += 1;
    }

    fn queue_linked(&mut self, entry: squeue::Entry, tag: Tag) {
        self.queued.push_back((entry.user_data(tag.to_u64()).flags(Flags::IO_LINK), true));
        self.pending += 1;
    }

    /// Moves what is queued to the submission queue, and submits it as often as that is full.
    fn fill(&mut self) -> io::Result<()> {
        loop {
            let mut submission = self.uring.submission();
            while let Some((entry, is_linked)) = self.queued.front() {
                // Two that are linked must be submitted by the same call.
                if submission.capacity() - submission.len() < 1 + usize::from(*is_linked) {
                    break;
                }
                // SAFETY: the memory that the operation uses belongs to this ring, by `own`, `sending` and `pools`, and stays there
                // until it has completed. A socket that was closed makes it fail.
                unsafe { submission.push(entry) }.expect("there is room for it");
                self.queued.pop_front();
            }
            drop(submission);
            if self.queued.is_empty() {
                return Ok(());
            }
            self.uring.submit()?;
        }
    }

    fn pool_of(&self, buffer: u16) -> usize {
        usize::from(!self.pools[0].contains(buffer))
    }

    /// Cancels everything in flight, and waits for it. Returns whether nothing is in flight.
    fn settle(&mut self) -> bool {
        self.pending -= self.queued.len();
        self.queued.clear();
        self.uneventful = 0;
        while self.pending > 0 {
            let cancel = opcode::AsyncCancel2::new(CancelBuilder::any().all()).build();
            self.queue(cancel, Tag::new(Kind::Cancel, 0, 0));
            if self.submit_and_wait(None).is_err() {
                return false;
            }
            while self.uring.completion().next().is_some() {
                self.pending -= 1;
            }
        }
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let is_settled = self.settle();
        // SAFETY: none of the three is used afterwards. The memory is freed only if no operation is in flight that uses it, and the
        // pools after the ring that they are registered with was closed.
        unsafe {
            ManuallyDrop::drop(&mut self.uring);
            if is_settled {
                ManuallyDrop::drop(&mut self.pools);
                ManuallyDrop::drop(&mut self.own);
            }
        }
    }
}

fn result_of(entry: &cqueue::Entry) -> io::Result<usize> {
    usize::try_from(entry.result()).map_err(|_| io::Error::from_raw_os_error(-entry.result()))
}

#[cfg(test)]
pub(crate) mod tests;

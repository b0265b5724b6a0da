//! The pool of buffers of one ring. The kernel takes a buffer when bytes arrive for a connection ("provided buffers").

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// Buffers, each either the kernel's to fill or ours to send.
pub(super) struct Buffers {
    memory: *mut u8,
    /// The ring of buffers that the kernel may fill.
    entries: *mut BufRingEntry,
    /// Number of buffers put into the ring so far, modulo 2^16.
    tail: u16,
    /// Bytes in each buffer that is ours.
    filled: [u32; COUNT as usize],
}

impl Buffers {
    /// Gives all buffers to the kernel. They live as long as the process.
    pub(super) fn register(submitter: &Submitter) -> io::Result<Buffers> {
        let memory = Box::leak(vec![0; COUNT as usize * BUFFER as usize].into_boxed_slice()).as_mut_ptr();
        let entries = (&raw mut *Box::leak(Box::new(Page([0; PAGE])))).cast();
        // SAFETY: the entries are aligned to a page, and live as long as the process.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, COUNT, GROUP, 0)? };
        let mut buffers = Buffers { memory, entries, tail: 0, filled: [0; COUNT as usize] };
        (0..COUNT).for_each(|buffer| buffers.give_back(buffer));
        Ok(buffers)
    }

    /// Notes that the kernel has put `count` bytes into a buffer. Returns where they are, until it is given back.
    pub(super) fn fill(&mut self, buffer: u16, count: u32) -> *const u8 {
        self.filled[usize::from(buffer)] = count;
        self.address(buffer)
    }

    /// Number of bytes in a buffer.
    pub(super) fn filled(&self, buffer: u16) -> u32 {
        self.filled[usize::from(buffer)]
    }

    /// Returns a buffer to the kernel.
    pub(super) fn give_back(&mut self, buffer: u16) {
        let address = self.address(buffer);
        // SAFETY: the index is within the ring, which has COUNT entries, and the kernel does not read an entry before the tail
        // has passed it.
        let entry = unsafe { &mut *self.entries.add(usize::from(self.tail % COUNT)) };
        entry.set_addr(address as u64);
        entry.set_len(BUFFER);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail is in the ring's first entry, aligned, and only written here; the kernel reads it atomically.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    fn address(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < COUNT, "the kernel only knows our buffers");
        // SAFETY: the buffer is within the memory, which has COUNT of them.
        unsafe { self.memory.add(usize::from(buffer) * BUFFER as usize) }
    }
}

/// Memory for COUNT entries of 16 bytes, aligned as the kernel requires it.
#[repr(C, align(4096))]
struct Page([u8; PAGE]);

const PAGE: usize = 4096;

/// Number of buffers: a power of two.
const COUNT: u16 = 256;
const _: () = assert!(COUNT as usize * size_of::<BufRingEntry>() == PAGE);

/// Bytes per buffer, as in the other peers.
pub(super) const BUFFER: u32 = 64 * 1024;

/// The number of this pool: there is one per ring.
pub(super) const GROUP: u16 = 0;

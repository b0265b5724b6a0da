//! Provided buffers: what the kernel takes a buffer from when bytes have arrived for a receive that brought none.
//!
//! So a connection that waits has no buffer. The kernel chooses one only once it has bytes to store in it. Then the buffer is *leased*
//! to the program until it is given back.
//!
//! ```text
//! one mapping:  | entries: what is free now | headroom | bytes | headroom | bytes | ...
//! ```
//!
//! The headroom is not the kernel's. The start of a frame that arrived earlier is copied to it, so that it and what has arrived are one
//! piece.

use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering::Release};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// Number and size of the buffers of a pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolSize {
    /// At most; as many as were ever needed at once. A power of two, at most 4096.
    pub count: u16,
    /// Bytes that the kernel may store in each.
    pub bytes: usize,
}

/// Buffers of one size that the kernel takes from. They are registered with a ring. While one of its operations is in flight they must
/// not be dropped.
#[derive(Debug)]
pub(super) struct Pool {
    memory: NonNull<u8>,
    size: PoolSize,
    /// Number of the pool within its ring.
    group: u16,
    /// Number of its first buffer: all buffers of a ring have different numbers.
    first: u16,
    /// How many of its buffers are in use: given to the kernel, or leased. The others have no memory yet.
    used: u16,
    /// How many times a buffer was given to the kernel, modulo 2^16.
    tail: u16,
    /// Whether each buffer is leased: the kernel does not touch it then.
    leased: Box<[bool]>,
}

/// A buffer that the kernel has filled. Not dropped but given back to its ring.
#[derive(Debug)]
#[must_use = "a lease that is not given back is a buffer less"]
pub struct Lease {
    /// Number of the buffer within its ring.
    pub(super) buffer: u16,
    /// Where its bytes begin and end, counted from the start of the headroom.
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Lease {
    /// Whether no bytes are left.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Number of bytes.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Leaves out the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "{count} bytes of {}", self.len());
        self.start += count as u32;
    }
}

impl Pool {
    /// Registers a pool as `group`, with buffers numbered from `first`.
    pub(super) fn new(uring: &IoUring, group: u16, first: u16, size: PoolSize) -> io::Result<Pool> {
        assert!(size.count.is_power_of_two() && size.count <= MOST_BUFFERS, "{size:?}");
        // SAFETY: a new mapping, of memory that nothing else uses.
        let memory = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), mapping(size), access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).expect("the kernel maps nothing at 0");
        let leased = vec![true; usize::from(size.count)].into_boxed_slice();
        let mut pool = Pool { memory, size, group, first, used: 0, tail: 0, leased };
        let entries = pool.entries() as u64;
        // SAFETY: the entries are at the start of the mapping, which is page-aligned and large enough. The mapping stays until the pool is
        // dropped, and then nothing that would use it is in flight (see the type).
        unsafe { uring.submitter().register_buf_ring_with_flags(entries, size.count, group, 0) }?;
        (0..FIRST_BUFFERS).for_each(|_| _ = pool.grow());
        Ok(pool)
    }

    /// Takes one more buffer into use, after the kernel had none. Returns false if all are in use.
    pub(super) fn grow(&mut self) -> bool {
        let can_grow = self.used < self.size.count;
        if can_grow {
            self.used += 1;
            self.give(self.first + self.used - 1);
        }
        can_grow
    }

    pub(super) fn group(&self) -> u16 {
        self.group
    }

    pub(super) fn contains(&self, buffer: u16) -> bool {
        (self.first..self.first + self.size.count).contains(&buffer)
    }

    /// The lease of a `buffer` that the kernel has chosen and stored `count` bytes in.
    pub(super) fn lease(&mut self, buffer: u16, count: usize) -> Lease {
        let is_leased = &mut self.leased[usize::from(buffer - self.first)];
        assert!(!*is_leased && count <= self.size.bytes, "the kernel chose a buffer that it does not have");
        *is_leased = true;
        Lease { buffer, start: HEADROOM as u32, end: (HEADROOM + count) as u32 }
    }

    /// The bytes of a lease.
    pub(super) fn bytes(&self, lease: &Lease) -> &[u8] {
        let range = self.checked(lease);
        // SAFETY: the range is within the buffer, which the kernel has initialised there (or `prepend` has, or the mapping, which is
        // 0 at first), and does not touch while it is leased. It changes only through `&mut self`.
        unsafe { slice::from_raw_parts(self.start_of(lease.buffer).add(range.start), range.len()) }
    }

    /// Copies `bytes` to the headroom, in front of those of the lease.
    ///
    /// # Panics
    /// If they exceed [`HEADROOM`], or the headroom is in use already.
    pub(super) fn prepend(&mut self, lease: &mut Lease, bytes: &[u8]) {
        let start = (lease.start as usize).checked_sub(bytes.len()).expect("it fits into the headroom");
        lease.start = start as u32;
        let range = self.checked(lease);
        // SAFETY: as in `bytes`; and `&mut self` is the only access to a leased buffer.
        let front =
            unsafe { slice::from_raw_parts_mut(self.start_of(lease.buffer).add(range.start), bytes.len()) };
        front.copy_from_slice(bytes);
    }

    /// Takes a buffer back.
    pub(super) fn give_back(&mut self, lease: Lease) {
        self.checked(&lease);
        self.give(lease.buffer);
    }

    /// Returns the pages of all buffers to the system, until they are used again.
    pub(super) fn release_pages(&self) {
        if self.leased[..usize::from(self.used)].contains(&true) {
            return;
        }
        let buffers = self.size.count as usize * stride(self.size);
        // SAFETY: the buffers are whole pages of the mapping. None is leased, so no reference points to them, and what the kernel
        // stores in them later is stored in new pages.
        unsafe { libc::madvise(self.memory.as_ptr().add(ENTRIES).cast(), buffers, libc::MADV_DONTNEED) };
    }

    /// Makes a buffer available to the kernel.
    fn give(&mut self, buffer: u16) {
        let index = buffer - self.first;
        self.leased[usize::from(index)] = false;
        let at = usize::from(self.tail & (self.size.count - 1));
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the entry is within the mapping, and the kernel reads it only after the tail was stored. There are as many entries
        // as buffers, so none that the kernel has not taken yet is overwritten. The address is of the buffer's bytes after its
        // headroom; from now on only the kernel uses them.
        unsafe {
            let entry = &mut *self.entries().add(at);
            entry.set_addr(self.start_of(buffer).add(HEADROOM) as u64);
            entry.set_len(self.size.bytes as u32);
            entry.set_bid(buffer);
            let tail = BufRingEntry::tail(self.entries()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Release);
        }
    }

    /// The range of a lease within its buffer.
    fn checked(&self, lease: &Lease) -> Range<usize> {
        let range = lease.start as usize..lease.end as usize;
        let is_leased = self.leased[usize::from(lease.buffer - self.first)];
        assert!(is_leased && range.start <= range.end && range.end <= stride(self.size), "{lease:?}");
        range
    }

    fn entries(&self) -> *mut BufRingEntry {
        self.memory.as_ptr().cast()
    }

    /// Start of the headroom of a buffer.
    fn start_of(&self, buffer: u16) -> *mut u8 {
        let offset = ENTRIES + usize::from(buffer - self.first) * stride(self.size);
        // SAFETY: within the mapping, since the number is of this pool.
        unsafe { self.memory.as_ptr().add(offset) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: no operation of the ring is in flight (see the type), so nothing uses the mapping.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), mapping(self.size)) };
    }
}

/// Bytes of a buffer with its headroom: whole pages.
fn stride(size: PoolSize) -> usize {
    HEADROOM + size.bytes.next_multiple_of(HEADROOM)
}

fn mapping(size: PoolSize) -> usize {
    ENTRIES + usize::from(size.count) * stride(size)
}

/// Buffers of a pool that are in use from the start. The kernel uses them in turn, so each one costs its memory, whatever the load.
const FIRST_BUFFERS: u16 = 2;

/// Bytes in front of each buffer for the start of a frame that arrived earlier: a page.
pub(crate) const HEADROOM: usize = 4096;

/// Bytes reserved for the entries of a pool: whole pages on every system.
const ENTRIES: usize = 64 * 1024;

/// As many buffers as there is room for their entries.
const MOST_BUFFERS: u16 = (ENTRIES / size_of::<BufRingEntry>()) as u16;

//! The roster: a table of all open connections, so that one of them can be found, counted or ended from outside its task.
//!
//! ```text
//! chunks   [ 256 slots ] [ 256 slots ] [ not yet needed ] …
//! slot       descriptor and peer | held | received | sent | dropped | stamp | why it is to end
//! ```
//!
//! A slot is reached by its index, without a hash, a lock or a pointer a connection. The numbers in it are written by one
//! connection alone (so adding to them needs no atomic addition) and read by anybody at any time: the totals of the server
//! are a walk over the table once in a while, and cost the connections nothing. Chunks are made as they are needed and kept.
//!
//! It serves the graceful end ([`close_reading`](Roster::close_reading)), the memory limit
//! ([`largest`](Roster::largest)), and the timeouts (see `steward`). It knows nothing of tasks: whoever is ended wakes
//! because its socket is shut down, and finds in its slot why.

use std::collections::TryReserveError;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::account::Account;
use crate::event::{Reason, Totals};
use crate::sys::Descriptor;

/// All open connections.
#[derive(Debug)]
pub(crate) struct Roster {
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
    places: Mutex<Places>,
    open: AtomicUsize,
    capacity: usize,
    /// Told whenever a place is given back: to whoever waits for one, or for all of them.
    vacated: Notify,
}

impl Roster {
    /// A roster for at most `capacity` connections at a time.
    pub(crate) fn new(capacity: usize) -> Roster {
        Roster {
            chunks: (0..capacity.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            places: Mutex::default(),
            open: AtomicUsize::new(0),
            capacity,
            vacated: Notify::new(),
        }
    }

    /// Lists a connection. Returns the index of its slot. Called by one task at a time.
    ///
    /// # Errors
    /// When there is no place left, or no memory for one more slot.
    pub(crate) fn enter(&self, descriptor: Descriptor, peer: SocketAddr, now: u32) -> io::Result<u32> {
        let index = self.places().take(self.capacity)?;
        self.add_chunk_for(index).inspect_err(|_| self.places().vacant.push(index))?;
        let slot = self.slot(index);
        slot.ending.store(0, Relaxed);
        slot.owes.store(false, Relaxed);
        slot.stamp.store(now, Relaxed);
        *slot.listed() = Some(Listed { descriptor, peer });
        self.open.fetch_add(1, Relaxed);
        Ok(index)
    }

    /// Takes a connection off the list; its socket may be closed from now on, and not earlier. Returns who it was, what
    /// went through it, and what was promised when it was ended for the memory limit.
    ///
    /// # Panics
    /// When nobody is listed there.
    pub(crate) fn leave(&self, index: u32) -> (SocketAddr, Totals, usize) {
        let slot = self.slot(index);
        let listed = slot.listed().take().expect("a seat leaves once, and it was listed when it was taken");
        let totals = Totals {
            received: slot.received.swap(0, Relaxed),
            sent: slot.sent.swap(0, Relaxed),
            dropped_frames: slot.dropped_frames.swap(0, Relaxed),
        };
        let promised = slot.promised.swap(0, Relaxed);
        self.places().vacant.push(index);
        (listed.peer, totals, promised)
    }

    /// Says that the connection that left is gone altogether.
    pub(crate) fn left(&self) {
        // Release: whoever sees the last one gone sees all that it did.
        self.open.fetch_sub(1, std::sync::atomic::Ordering::Release);
        self.vacated.notify_one();
    }

    /// Waits until there is a place. One waiter at a time.
    pub(crate) async fn has_place(&self) {
        while self.open() >= self.capacity {
            self.vacated.notified().await;
        }
    }

    /// Waits until nobody is listed. One waiter at a time.
    pub(crate) async fn is_empty(&self) {
        while self.open() > 0 {
            self.vacated.notified().await;
        }
    }

    /// Ends reading on every connection. Linux still delivers what has arrived, and then the end of the stream: so each
    /// connection reads once more until there is nothing left, answers, and closes, as if its peer had asked it to.
    pub(crate) fn close_reading(&self) {
        self.each(|slot| {
            if let Some(listed) = &*slot.listed() {
                listed.descriptor.shutdown(Shutdown::Read);
            }
        });
    }

    /// Ends every connection.
    pub(crate) fn end_all(&self, ending: Ending) {
        self.each(|slot| slot.end(ending));
    }

    /// The slot that holds most bytes among those that are not about to end; `None` when none holds any.
    pub(crate) fn largest(&self) -> Option<&Slot> {
        let mut largest: Option<&Slot> = None;
        self.each(|slot| {
            let held = slot.held.load(Relaxed);
            if slot.ending().is_none() && held > largest.map_or(0, |slot| slot.held.load(Relaxed)) {
                largest = Some(slot);
            }
        });
        largest
    }

    /// What went through the connections that are open.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.each(|slot| {
            totals.received += slot.received.load(Relaxed);
            totals.sent += slot.sent.load(Relaxed);
            totals.dropped_frames += slot.dropped_frames.load(Relaxed);
        });
        totals
    }

    /// Bytes of memory that the sockets of all connections take in the kernel; `None` where that is not visible.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        let mut sum = cfg!(target_os = "linux").then_some(0);
        self.each(|slot| {
            if let Some(listed) = &*slot.listed() {
                sum = sum.zip(listed.descriptor.kernel_memory()).map(|(sum, memory)| sum + memory);
            }
        });
        sum
    }

    /// Calls `body` with each slot that was ever used.
    pub(crate) fn each<'a>(&'a self, body: impl FnMut(&'a Slot)) {
        self.chunks.iter().map_while(OnceLock::get).flat_map(|chunk| chunk.iter()).for_each(body);
    }

    /// How many connections are listed.
    pub(crate) fn open(&self) -> usize {
        self.open.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The slot at `index`, which was given out by [`enter`](Roster::enter).
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        let index = index as usize;
        let chunk = self.chunks[index / CHUNK].get().expect("it was made when the index was given out");
        &chunk[index % CHUNK]
    }

    /// Makes the chunk in which `index` lies, if it is not there yet.
    fn add_chunk_for(&self, index: u32) -> Result<(), TryReserveError> {
        let chunk = &self.chunks[index as usize / CHUNK];
        if chunk.get().is_none() {
            let mut slots = Vec::new();
            slots.try_reserve_exact(CHUNK)?;
            slots.resize_with(CHUNK, Slot::default);
            chunk.get_or_init(|| slots.into_boxed_slice());
        }
        Ok(())
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing that can panic happens under this lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's entry.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// `None` while nobody sits here. While this lock is held the descriptor stays open.
    listed: Mutex<Option<Listed>>,
    /// Bytes counted against the memory limit for this connection, which alone writes it.
    pub(crate) held: AtomicUsize,
    /// What it held when it was ended for the memory limit, until it has gone.
    promised: AtomicUsize,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) dropped_frames: AtomicU64,
    /// When it last made progress, in milliseconds on the steward's clock.
    pub(crate) stamp: AtomicU32,
    /// Bytes in the kernel's send queue when the steward last looked.
    pub(crate) send_queue: AtomicU32,
    /// Whether bytes wait for the peer to take them.
    pub(crate) owes: AtomicBool,
    /// An [`Ending`], or 0.
    ending: AtomicU8,
}

impl Slot {
    /// Ends the connection that sits here, for this reason; the first reason stays. Its task wakes and finds its socket shut.
    pub(crate) fn end(&self, ending: Ending) {
        let listed = self.listed();
        let Some(listed) = &*listed else { return };
        if self.ending.compare_exchange(0, ending as u8, Relaxed, Relaxed).is_ok() {
            listed.descriptor.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection that sits here for the memory limit, and promises what it holds to whoever waits for room.
    pub(crate) fn end_for_memory(&self, account: &Account) {
        let listed = self.listed();
        let Some(listed) = &*listed else { return };
        if self.ending.compare_exchange(0, Ending::MemoryLimit as u8, Relaxed, Relaxed).is_ok() {
            let held = self.held.load(Relaxed);
            self.promised.store(held, Relaxed);
            account.promise(held);
            listed.descriptor.shutdown(Shutdown::Both);
        }
    }

    /// Why the connection is to end, if somebody wants it to.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match self.ending.load(Relaxed) {
            0 => None,
            code => ENDINGS.into_iter().find(|&ending| ending as u8 == code),
        }
    }

    /// Bytes that the peer's kernel has not taken, where that is visible.
    pub(crate) fn kernel_send_queue(&self) -> Option<u32> {
        self.listed().as_ref().and_then(|listed| listed.descriptor.send_queue())
    }

    /// Whether somebody sits here.
    pub(crate) fn is_taken(&self) -> bool {
        self.listed().is_some()
    }

    fn listed(&self) -> MutexGuard<'_, Option<Listed>> {
        // Nothing that can panic happens under this lock.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    MemoryLimit = 1,
    IdleTimeout,
    WriteTimeout,
    Shutdown,
}

impl From<Ending> for Reason {
    fn from(ending: Ending) -> Reason {
        match ending {
            Ending::MemoryLimit => Reason::MemoryLimit,
            Ending::IdleTimeout => Reason::IdleTimeout,
            Ending::WriteTimeout => Reason::WriteTimeout,
            Ending::Shutdown => Reason::Shutdown,
        }
    }
}

#[derive(Debug)]
struct Listed {
    descriptor: Descriptor,
    peer: SocketAddr,
}

/// Which slots are free: those given back, and those never used.
#[derive(Debug, Default)]
struct Places {
    vacant: Vec<u32>,
    used: u32,
}

impl Places {
    fn take(&mut self, capacity: usize) -> io::Result<u32> {
        if let Some(index) = self.vacant.pop() {
            return Ok(index);
        }
        if self.used as usize >= capacity {
            return Err(io::Error::other("no place is left for one more connection"));
        }
        // So that giving the place back needs no memory.
        self.vacant.try_reserve(self.used as usize + 1)?;
        self.used += 1;
        Ok(self.used - 1)
    }
}

const ENDINGS: [Ending; 4] =
    [Ending::MemoryLimit, Ending::IdleTimeout, Ending::WriteTimeout, Ending::Shutdown];

/// Slots in a chunk: 26 KiB, so that a server with few connections pays for few.
const CHUNK: usize = 256;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn enter(roster: &Roster, socket: &TcpStream) -> Option<u32> {
        roster.enter(Descriptor::of(socket), socket.peer_addr().unwrap(), 0).ok()
    }

    #[test]
    fn no_more_are_listed_than_there_are_places_and_a_place_is_used_again() {
        let (roster, (_client, socket)) = (Roster::new(2), pair());

        let first = enter(&roster, &socket).unwrap();
        enter(&roster, &socket).unwrap();
        assert_eq!(enter(&roster, &socket), None);

        roster.leave(first);
        roster.left();
        assert_eq!(enter(&roster, &socket), Some(first));
    }

    #[test]
    fn totals_are_those_of_whoever_is_listed() {
        let (roster, (_client, socket)) = (Roster::new(1000), pair());
        let seats: Vec<u32> = (0..600).map(|_| enter(&roster, &socket).unwrap()).collect();
        for &index in &seats {
            roster.slot(index).received.store(2, Relaxed);
        }
        assert_eq!(roster.totals().received, 1200);

        let (_, totals, _) = roster.leave(seats[0]);

        assert_eq!(totals.received, 2);
        assert_eq!(roster.totals().received, 1198);
    }

    #[test]
    fn the_largest_is_the_one_that_holds_most_and_is_not_about_to_end() {
        let (roster, (_client, socket)) = (Roster::new(10), pair());
        assert!(roster.largest().is_none());
        for held in [10, 30, 20] {
            let index = enter(&roster, &socket).unwrap();
            roster.slot(index).held.store(held, Relaxed);
        }

        let largest = roster.largest().unwrap();
        assert_eq!(largest.held.load(Relaxed), 30);

        largest.end(Ending::MemoryLimit);
        assert_eq!(roster.largest().unwrap().held.load(Relaxed), 20);
        assert_eq!(largest.ending(), Some(Ending::MemoryLimit));
    }

    #[test]
    fn whoever_is_ended_finds_its_socket_shut_and_the_first_reason_stays() {
        let (roster, (mut client, socket)) = (Roster::new(1), pair());
        let slot = roster.slot(enter(&roster, &socket).unwrap());

        slot.end(Ending::WriteTimeout);
        slot.end(Ending::Shutdown);

        assert_eq!(slot.ending(), Some(Ending::WriteTimeout));
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the peer sees the end");
    }

    #[test]
    fn a_vacant_slot_cannot_be_ended() {
        let (roster, (_client, socket)) = (Roster::new(1), pair());
        let index = enter(&roster, &socket).unwrap();
        roster.leave(index);

        roster.end_all(Ending::Shutdown);

        assert_eq!(roster.slot(index).ending(), None);
    }
}

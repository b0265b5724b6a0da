//! A table of all open connections, to find, count or close one of them from outside its task.
//!
//! ```text
//! chunks   [ 256 entries ] [ 256 entries ] [ not yet needed ] …
//! entry    descriptor and peer | buffered | received | sent | dropped | last progress | close cause
//! ```
//!
//! A connection reaches its entry without a hash or a lock ([`entry`] says how threads share it). The totals of the server are a rare
//! walk over the table, which costs the connections nothing. Chunks are allocated as needed, and freed when none of their entries is
//! used any more.
//!
//! It serves the graceful shutdown ([`close_reading`](ConnectionTable::close_reading)), the memory limit
//! ([`largest`](ConnectionTable::largest)), the timeouts (see `reaper`) and [`Control`](crate::Control). A connection that is closed
//! from outside wakes up because its socket is shut down, and finds the reason in its entry. One that waits for something else than
//! its socket has left a waker there.

mod book;
mod chunk;
mod close_cause;
mod entry;
mod handle;
pub(crate) mod maintenance;
#[cfg(all(test, echoctl_loom))]
pub(crate) mod model;
mod peer_progress;
mod reaper;
mod shared;

use std::io;
use std::net::SocketAddr;
use std::sync::PoisonError;

use tokio::sync::Notify;

use self::book::Book;
pub(crate) use self::chunk::EntryRef;
use self::chunk::{CHUNK, Chunk};
pub use self::close_cause::CloseCause;
pub(crate) use self::entry::{Entry, OpenConnection, Vacated};
pub(crate) use self::handle::ConnectionHandle;
pub(crate) use self::shared::{NoRoom, Shared};

use crate::control::ConnectionState;
use crate::event::Totals;
use crate::sync::atomic::AtomicUsize;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::Descriptor;

/// All open connections.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    capacity: usize,
    book: Mutex<Book>,
    /// Number of connections whose socket is not closed yet.
    open: AtomicUsize,
    /// Notified whenever that number falls.
    closed: Notify,
}

impl ConnectionTable {
    /// A table for at most `capacity` connections at a time.
    pub(crate) fn new(capacity: usize) -> ConnectionTable {
        ConnectionTable {
            capacity,
            book: Mutex::new(Book::new(capacity.div_ceil(CHUNK))),
            open: AtomicUsize::new(0),
            closed: Notify::new(),
        }
    }

    /// Adds a connection, at `now` on the server's clock, and returns its entry. Called by one task at a time.
    ///
    /// # Errors
    /// If the table is full, or there is no memory for one more entry.
    pub(crate) fn insert(&self, descriptor: Descriptor, peer: SocketAddr, now: u32) -> io::Result<EntryRef> {
        let mut book = self.book();
        let entry = book.take_vacant(self.capacity)?;
        let number = book.accepted;
        drop(book);
        self.open.fetch_add(1, Relaxed);
        entry.occupy(number, descriptor, peer, now);
        Ok(entry)
    }

    /// Removes a connection. Its socket may be closed after this call, not before.
    ///
    /// # Panics
    /// If the entry is vacant.
    pub(crate) fn remove(&self, entry: &EntryRef) -> Vacated {
        self.book().vacate(entry)
    }

    /// Counts a removed connection as gone, after its socket was closed.
    pub(crate) fn released(&self) {
        // Release: a thread that sees the count fall also sees everything that the connection did.
        self.open.fetch_sub(1, Release);
        self.closed.notify_one();
    }

    /// Number of connections that are open, or whose socket is about to be closed.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Acquire)
    }

    /// Waits until fewer than `count` connections are open. One waiter at a time.
    pub(crate) async fn wait_until_below(&self, count: usize) {
        while self.open() >= count {
            self.closed.notified().await;
        }
    }

    /// Shuts down reading on every connection. Linux still delivers what has arrived, and then the end of the stream, so
    /// each connection reads the rest, replies, and closes, as if its peer had half-closed.
    pub(crate) fn close_reading(&self) {
        self.entries().for_each(|entry| entry.close_reading());
    }

    /// Closes every connection.
    pub(crate) fn close_all(&self, cause: CloseCause) {
        self.entries().filter_map(EntryRef::look).for_each(|connection| _ = connection.close(cause));
    }

    /// Closes the connection with this peer. Returns false if there is none, or it is being closed already.
    pub(crate) fn close_peer(&self, peer: SocketAddr, cause: CloseCause) -> bool {
        // An entry that has this peer after the look is closed only if it is the one that was seen.
        let mut seen = self.entries().filter_map(EntryRef::look).filter(|seen| seen.entry.has_peer(peer));
        seen.any(|connection| connection.close(cause))
    }

    /// Wakes every connection that left a waker.
    pub(crate) fn wake_all(&self) {
        self.entries().for_each(|entry| entry.wake());
    }

    /// Has every connection's idle time begin at `now` on the server's clock.
    pub(crate) fn restart_idle_times(&self, now: u32) {
        self.entries().for_each(|entry| entry.restart_idle_time(now));
    }

    /// All open connections, as they are shown.
    pub(crate) fn connections(&self) -> Vec<ConnectionState> {
        self.entries().filter_map(|entry| entry.state()).collect()
    }

    /// The connection with the most buffered bytes among those that are not being closed; `None` when none buffers any.
    pub(crate) fn largest(&self) -> Option<OpenConnection> {
        let open = self.entries().filter_map(EntryRef::look);
        let candidates = open.filter(|seen| seen.entry.buffered() > 0 && seen.entry.close_cause().is_none());
        candidates.max_by_key(|seen| seen.entry.buffered())
    }

    /// Number of connections accepted so far, and the totals of all of them. None of these ever falls.
    pub(crate) fn totals(&self) -> (u64, Totals) {
        // Locked for the entire walk: a connection that closes in the meantime counts once, as open or as closed.
        let book = self.book();
        (book.accepted, book.totals())
    }

    /// Kernel memory of this end of all connections, in bytes; `None` where that is not visible.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        if cfg!(target_os = "linux") { self.entries().map(|entry| entry.kernel_memory()).sum() } else { None }
    }

    /// All entries that are used, and some more, in the order of their indices. Each chunk is looked up when its turn comes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = EntryRef> {
        let chunks = 0..self.capacity.div_ceil(CHUNK);
        chunks.filter_map(|number| self.book().chunk(number).map(Chunk::entry_refs)).flatten()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // What is written under this lock is complete after each statement.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most of what an idle connection costs beside its task.
#[cfg(all(not(echoctl_loom), target_os = "linux", target_pointer_width = "64"))]
const _: () = assert!(size_of::<Entry>() <= 128);

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::thread;

    use echoctl_testkit::pair;

    use super::*;

    fn insert(table: &ConnectionTable, socket: &TcpStream) -> Option<EntryRef> {
        table.insert(Descriptor::of(socket), socket.peer_addr().unwrap(), 0).ok()
    }

    #[test]
    fn a_full_table_refuses_and_a_freed_entry_is_reused() {
        let (table, (_client, socket)) = (ConnectionTable::new(2), pair());

        let first = insert(&table, &socket).unwrap();
        insert(&table, &socket).unwrap();
        assert!(insert(&table, &socket).is_none());

        table.remove(&first);
        table.released();
        assert_eq!(insert(&table, &socket).unwrap().index, first.index);
    }

    #[test]
    fn a_chunk_is_freed_with_its_last_connection() {
        let (table, (_client, socket)) = (ConnectionTable::new(1000), pair());
        let crowd: Vec<_> = (0..600).map(|_| insert(&table, &socket).unwrap()).collect();
        let allocated = || [0, 1, 2, 3].map(|number| table.book().chunk(number).is_some());

        crowd[256..].iter().for_each(|entry| _ = table.remove(entry));
        assert_eq!(allocated(), [true, false, false, false]);
        crowd[..256].iter().rev().for_each(|entry| _ = table.remove(entry));
        assert_eq!(allocated(), [true, false, false, false], "the first one stays");

        let indices = (0..300).map(|_| insert(&table, &socket).unwrap().index);
        assert!(indices.eq(0..300), "the lowest first");
        assert_eq!(allocated(), [true, true, false, false]);
    }

    #[test]
    fn totals_include_connections_that_have_left() {
        let (table, (_client, socket)) = (ConnectionTable::new(1000), pair());
        let entries: Vec<EntryRef> = (0..600).map(|_| insert(&table, &socket).unwrap()).collect();
        entries.iter().for_each(|entry| entry.record_received(2, 0));

        assert_eq!(table.remove(&entries[0]).totals.received, 2);
        assert_eq!(insert(&table, &socket).unwrap().index, 0, "its entry is used again");

        let (accepted, totals) = table.totals();
        assert_eq!((accepted, totals.received), (601, 1200));
    }

    #[test]
    fn the_largest_buffers_most_and_is_not_being_closed() {
        let (table, (_client, socket)) = (ConnectionTable::new(10), pair());
        assert!(table.largest().is_none());
        for buffered in [10, 30, 20] {
            insert(&table, &socket).unwrap().set_buffered(buffered);
        }

        let largest = table.largest().unwrap();
        assert_eq!(largest.entry.buffered(), 30);

        largest.close(CloseCause::MemoryLimit);
        assert_eq!(table.largest().unwrap().entry.buffered(), 20);
        assert_eq!(largest.entry.close_cause(), Some(CloseCause::MemoryLimit));
    }

    #[test]
    fn closing_shuts_the_socket_and_the_first_cause_remains() {
        let (table, (mut client, socket)) = (ConnectionTable::new(1), pair());
        let entry = insert(&table, &socket).unwrap();

        entry.clone().look().unwrap().close(CloseCause::WriteTimeout);
        entry.clone().look().unwrap().close(CloseCause::Shutdown);

        assert_eq!(entry.close_cause(), Some(CloseCause::WriteTimeout));
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the peer sees the end of the stream");
    }

    #[test]
    fn only_the_connection_that_was_seen_is_closed() {
        let (table, (_client, socket)) = (ConnectionTable::new(1), pair());
        let entry = insert(&table, &socket).unwrap();
        let seen = entry.clone().look().unwrap();

        table.remove(&entry);
        assert!(entry.clone().look().is_none(), "the entry is vacant");
        insert(&table, &socket).unwrap();
        seen.close(CloseCause::IdleTimeout);

        assert_eq!(entry.close_cause(), None, "its successor stays open");
    }

    #[test]
    fn a_panic_under_the_lock_does_not_stop_the_table() {
        let (table, (_client, socket)) = (ConnectionTable::new(2), pair());
        let entry = insert(&table, &socket).unwrap();
        entry.record_received(3, 0);

        thread::scope(|scope| {
            let panicked = scope.spawn(|| {
                let _locked = table.book();
                panic!("a deliberate bug in the server");
            });
            panicked.join().unwrap_err();
        });
        table.remove(&entry);

        assert!(insert(&table, &socket).is_some());
        assert_eq!((table.totals().0, table.totals().1.received), (2, 3));
    }
}

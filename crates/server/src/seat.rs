//! A seat: one connection's place in the roster, and all that it reports from there.
//!
//! Whoever owns a socket owns its seat, and leaves it before the socket closes; dropping it leaves too, so that a panic in
//! one connection gives back what it held and is reported like any other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config::Config;
use crate::event::{Event, Reason};
use crate::roster::{Ending, Slot};
use crate::shared::Shared;

/// A place in the roster.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    index: u32,
    left: bool,
}

impl Seat {
    /// The seat at `index`, which the roster has just given out.
    pub(crate) fn new(shared: Arc<Shared>, index: u32) -> Seat {
        Seat { shared, index, left: false }
    }

    /// Counts bytes read from the peer.
    pub(crate) fn received(&self, bytes: usize) {
        let slot = self.slot();
        add(&slot.received, bytes);
        if !slot.owes.load(Relaxed) {
            self.stamp();
        }
    }

    /// Counts bytes that the kernel took for the peer.
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.slot().sent, bytes);
        self.stamp();
    }

    /// Counts a frame dropped by the policy.
    pub(crate) fn dropped_frame(&self) {
        let dropped = &self.slot().dropped_frames;
        dropped.store(dropped.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Notes what the connection holds and whether it waits for its peer to take bytes. Called before every wait, and by
    /// queues whenever they grow; it touches shared memory only when the answer has changed.
    pub(crate) fn holds(&self, bytes: usize, owes: bool) {
        let slot = self.slot();
        if slot.owes.load(Relaxed) != owes {
            slot.owes.store(owes, Relaxed);
            self.stamp();
        }
        // What a connection about to end holds has already been taken off the count.
        if slot.held.load(Relaxed) != bytes && (bytes == 0 || slot.ending().is_none()) {
            self.shared.count_held(slot.held.swap(bytes, Relaxed), bytes);
        }
    }

    /// Why somebody else wants this connection to end, if so.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.slot().ending()
    }

    /// Bytes held by all connections together.
    pub(crate) fn held_by_all(&self) -> u64 {
        self.shared.held()
    }

    /// Bytes that the peer's kernel has not taken, where that is visible.
    pub(crate) fn send_queue(&self) -> Option<u32> {
        self.slot().kernel_send_queue()
    }

    /// Whether the threads outnumber the connections, so that nobody waits for the thread that this one runs on.
    pub(crate) fn has_thread_to_itself(&self) -> bool {
        self.shared.roster.open() < self.shared.workers.load(Relaxed)
    }

    /// The server's settings.
    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Leaves, and tells why. From now on the socket may be closed, and not before.
    pub(crate) fn leave(&mut self, reason: Reason) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        self.holds(0, false);
        let (peer, totals) = self.shared.roster.leave(self.index);
        self.shared.count_closed(totals);
        (self.shared.tell)(Event::Closed { peer, reason, totals });
    }

    fn slot(&self) -> &Slot {
        self.shared.roster.slot(self.index)
    }

    fn stamp(&self) {
        self.slot().stamp.store(self.shared.clock.load(Relaxed), Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave(if std::thread::panicking() { Reason::Panicked } else { Reason::Shutdown });
        self.shared.roster.left();
    }
}

/// Adds to a counter that nobody else writes: a load and a store, where an atomic addition would lock the cache line.
fn add(counter: &AtomicU64, bytes: usize) {
    counter.store(counter.load(Relaxed) + bytes as u64, Relaxed);
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Mutex;

    use super::*;
    use crate::event::Stats;
    use crate::sys::Descriptor;

    #[test]
    fn a_panic_gives_back_what_the_connection_held_and_is_told() {
        let reasons = Arc::<Mutex<Vec<&str>>>::default();
        let told = reasons.clone();
        let tell = move |event| {
            if let Event::Closed { reason, .. } = event {
                told.lock().unwrap().push(reason.name());
            }
        };
        let shared = Arc::new(Shared::new(Config::default(), Arc::new(tell)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let index = shared.roster.enter(Descriptor::of(&socket), socket.peer_addr().unwrap(), 0).unwrap();
        let seat = Seat::new(shared.clone(), index);
        seat.received(10);
        seat.holds(1000, true);
        assert_eq!((shared.held(), shared.stats().connections), (1000, 1));

        let thread = std::thread::spawn(move || {
            let _seat = seat;
            panic!("a mistake in the server, made on purpose");
        });
        thread.join().unwrap_err();

        assert_eq!(*reasons.lock().unwrap(), ["panicked"]);
        let Stats { connections, held, totals, .. } = shared.stats();
        assert_eq!((connections, held, totals.received), (0, 0, 10));
    }
}

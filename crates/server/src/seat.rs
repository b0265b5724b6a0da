//! A seat: one connection's place in the roster, and all that it reports from there.
//!
//! Whoever owns a socket owns its seat, and leaves it before the socket closes; dropping it leaves too, so that a panic in
//! one connection gives back what it held and is reported like any other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use echoctl_proto::FrameTooLong;

use crate::config::Config;
use crate::event::{Event, Reason};
use crate::memory::{ROOM_BESIDE_GROWTH, check_left};
use crate::roster::{Ending, Slot};
use crate::shared::{NoRoom, Shared};

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

    /// Counts `bytes` more against the memory limit, before they are allocated.
    ///
    /// # Errors
    /// When they must not be.
    pub(crate) fn grow(&self, bytes: usize) -> Result<(), NoRoom> {
        let slot = self.slot();
        if slot.ending().is_some() {
            return Err(NoRoom::Ended);
        }
        check_left(ROOM_BESIDE_GROWTH).map_err(|_| NoRoom::OutOfMemory)?;
        self.shared.grow(slot, bytes)?;
        slot.held.store(slot.held.load(Relaxed) + bytes, Relaxed);
        Ok(())
    }

    /// Whether the memory limit leaves room for what a read into the thread's buffer may leave over. Costs one load.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.account.fits(1)
    }

    /// Sees to it that the memory limit leaves room for what a read into the thread's buffer may leave over.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn make_room(&self) -> Result<(), NoRoom> {
        self.shared.make_room(self.slot(), 1)
    }

    /// Notes what the connection holds: called before every wait, and where queues change. It touches shared memory only
    /// when the answer has changed. Growth was counted before, but for what is left over of one read.
    pub(crate) fn holds(&self, bytes: usize) {
        let slot = self.slot();
        let before = slot.held.load(Relaxed);
        if bytes == before {
            return;
        }
        slot.held.store(bytes, Relaxed);
        if bytes < before {
            self.shared.account.give_back(before - bytes);
        } else if !self.shared.account.take(bytes - before) {
            // Whether another is ended or this one, it is noticed when they next run.
            let _ = self.shared.make_room(slot, 0);
        }
    }

    /// Notes whether the connection waits for its peer to take bytes.
    pub(crate) fn owes(&self, owes: bool) {
        let slot = self.slot();
        if slot.owes.load(Relaxed) != owes {
            slot.owes.store(owes, Relaxed);
            self.stamp();
        }
    }

    /// Why a frame is too long: for the setting, or for the memory limit.
    pub(crate) fn frame_fault(&self, fault: FrameTooLong) -> Reason {
        let config = self.config();
        match fault.max_frame < config.max_frame {
            true => Reason::FrameOverMemory { length: fault.length, limit: config.memory_limit },
            false => fault.into(),
        }
    }

    /// Why somebody else wants this connection to end, if so.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.slot().ending()
    }

    /// Bytes held by all connections together.
    pub(crate) fn held_by_all(&self) -> u64 {
        self.shared.account.held()
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
        self.holds(0);
        let (peer, totals, promised) = self.shared.roster.leave(self.index);
        self.shared.account.keep_promise(promised);
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
        seat.holds(1000);
        assert_eq!((shared.account.held(), shared.stats().connections), (1000, 1));

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

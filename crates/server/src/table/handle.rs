//! Handle to one connection's entry in the connection table; updates its counters.
//!
//! The owner of a socket also owns its handle, and releases it before the socket closes. Dropping it releases it too, so that a
//! panic in one connection frees what it had buffered, and is reported like any other end.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use echoctl_proto::FrameTooLong;
use socket2::SockRef;

use super::chunk::Entries;
use super::{CloseCause, Entry, EntryRef, NoRoom, Shared, Vacated};
use crate::close_reason::CloseReason;
use crate::config::Config;
use crate::event::Event;
use crate::io::places::{NO_PLACE, Place, PlaceIndex, Places};
use crate::process::{GROWTH_HEADROOM, check_available};
use crate::settings::Settings;

/// Handle to an entry of the table.
pub(crate) struct ConnectionHandle {
    shared: Arc<Shared>,
    // Its entry: the two parts of an `EntryRef`, which would make every idle task larger by the space between them and the rest.
    entries: Arc<Entries>,
    index: u32,
    /// The worker that counts it.
    place: PlaceIndex,
    is_vacated: bool,
}

impl ConnectionHandle {
    /// The handle to an entry that was just inserted.
    pub(crate) fn new(shared: Arc<Shared>, entry: EntryRef) -> ConnectionHandle {
        let EntryRef { entries, index } = entry;
        ConnectionHandle { shared, entries, index, place: NO_PLACE, is_vacated: false }
    }

    /// Counts bytes read from the peer.
    pub(crate) fn record_received(&self, bytes: usize) {
        self.entry().record_received(bytes, self.shared.now());
    }

    /// Counts `bytes` more against the memory limit, before they are allocated.
    ///
    /// # Errors
    /// If they must not be allocated.
    pub(crate) fn grow(&self, bytes: usize) -> Result<(), NoRoom> {
        let entry = self.entry();
        if entry.close_cause().is_some() {
            return Err(NoRoom::Closing);
        }
        check_available(GROWTH_HEADROOM).map_err(|_| NoRoom::OutOfMemory)?;
        while !self.shared.account.try_add(bytes) {
            self.shared.make_room(&self.entry_ref(), bytes)?;
        }
        entry.set_buffered(entry.buffered() + bytes);
        Ok(())
    }

    /// Whether the memory limit leaves room for what a read into the thread's buffer may leave over. Costs one load.
    pub(crate) fn has_room(&self) -> bool {
        self.shared.account.fits(1)
    }

    /// Makes room within the memory limit for what a read into the thread's buffer may leave over.
    ///
    /// # Errors
    /// If there is none yet.
    pub(crate) fn make_room(&self) -> Result<(), NoRoom> {
        self.shared.make_room(&self.entry_ref(), 1)
    }

    /// Records how many bytes the connection buffers. Called before every wait, and where queues change. It writes to shared
    /// memory only if the number has changed. Growth was counted before, except for what is left over from one read.
    pub(crate) fn set_buffered(&self, bytes: usize) {
        let entry = self.entry();
        let before = entry.buffered();
        if bytes == before {
            return;
        }
        entry.set_buffered(bytes);
        if bytes < before {
            self.shared.account.subtract(before - bytes);
        } else if !self.shared.account.add(bytes - before) {
            // Whichever connection is closed notices it when it runs next.
            let _ = self.shared.make_room(&self.entry_ref(), 0);
        }
    }

    /// Records whether the connection waits until the kernel accepts output.
    pub(crate) fn set_pending_output(&self, pending: bool) {
        self.entry().set_pending_output(pending, self.shared.now());
    }

    /// The reason for refusing a frame: it exceeds the configured maximum, or the memory limit.
    pub(crate) fn frame_error(&self, fault: FrameTooLong) -> CloseReason {
        if fault.max_frame < self.config().max_frame {
            return CloseReason::FrameOverMemory { length: fault.length, limit: self.shared.account.limit() };
        }
        fault.into()
    }

    /// Bytes buffered by all connections together.
    pub(crate) fn total_buffered(&self) -> u64 {
        self.shared.account.buffered()
    }

    /// The worker that serves the connection, if a worker does.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.shared.places.at(self.place)
    }

    /// All workers.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.shared.places
    }

    /// Counts the connection at `place` from now on.
    pub(crate) fn set_place(&mut self, place: PlaceIndex) {
        self.place().inspect(|before| before.leave());
        self.place = place;
        self.place().inspect(|place| place.enter());
    }

    /// Whether its worker serves no other connection.
    pub(crate) fn has_thread_to_itself(&self) -> bool {
        self.place().is_some_and(Place::has_one_connection)
    }

    /// The server's settings as they are now.
    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The server's settings at its start, for those that never change.
    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Vacates the entry and closes the socket, after everything that the connection had buffered was freed. Reports the cause for
    /// which it was closed from outside, if it was, and otherwise how it ended.
    pub(crate) fn close<S>(mut self, socket: S, end: Result<(), CloseReason>)
    where
        for<'s> SockRef<'s>: From<&'s S>,
    {
        let vacated = self.vacate();
        let reason = match vacated.cause {
            Some(cause) => cause.into(),
            None => end.err().unwrap_or(CloseReason::Eof),
        };
        if reason.resets() {
            // An error means that there is no connection left to reset.
            let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
        self.report(&vacated, reason);
        drop(socket);
        // Last, because it counts the connection as gone.
        drop(self);
    }

    /// Vacates the entry. The socket may be closed after this call, not before.
    fn vacate(&mut self) -> Vacated {
        self.is_vacated = true;
        self.set_buffered(0);
        let vacated = self.shared.table.remove(&self.entry_ref());
        self.shared.account.finish_release(vacated.releasing);
        vacated
    }

    fn report(&self, vacated: &Vacated, reason: CloseReason) {
        (self.shared.emit)(Event::Closed { peer: vacated.peer, reason, totals: vacated.totals });
    }

    /// The connection's entry.
    pub(crate) fn entry(&self) -> &Entry {
        self.entries.at(self.index)
    }

    fn entry_ref(&self) -> EntryRef {
        EntryRef { entries: self.entries.clone(), index: self.index }
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        if !self.is_vacated {
            let vacated = self.vacate();
            let panicked = thread::panicking();
            self.report(&vacated, if panicked { CloseReason::Panicked } else { CloseCause::Shutdown.into() });
        }
        self.set_place(NO_PLACE);
        self.shared.table.released();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Mutex;

    use super::*;
    use crate::event::Stats;
    use crate::sys::Descriptor;

    #[test]
    fn a_panic_releases_the_connection_and_is_reported() {
        let reasons = Arc::<Mutex<Vec<&str>>>::default();
        let log = reasons.clone();
        let emit = move |event| {
            if let Event::Closed { reason, .. } = event {
                log.lock().unwrap().push(reason.name());
            }
        };
        let shared =
            Arc::new(Shared::new(Arc::new(Settings::new(Config::default())), Arc::default(), Box::new(emit)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let entry = shared.table.insert(Descriptor::of(&socket), socket.peer_addr().unwrap(), 0).unwrap();
        let handle = ConnectionHandle::new(shared.clone(), entry);
        handle.record_received(10);
        handle.set_buffered(1000);
        assert_eq!((shared.account.buffered(), shared.stats().connections), (1000, 1));

        let thread = thread::spawn(move || {
            let _handle = handle;
            panic!("a deliberate bug in the server");
        });
        thread.join().unwrap_err();

        assert_eq!(*reasons.lock().unwrap(), ["panicked"]);
        let Stats { connections, buffered, totals, .. } = shared.stats();
        assert_eq!((connections, buffered, totals.received), (0, 0, 10));
    }
}

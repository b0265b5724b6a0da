//! The worker that serves a connection: its first one, and how it moves to another.

use socket2::SockRef;

use super::Connection;
use crate::close_reason::CloseReason;
use crate::io::places::{Place, PlaceIndex};
use crate::sys::{self, Descriptor, socket};

impl<S> Connection<S> {
    /// Counts it at the worker that is to serve it.
    pub(crate) fn at(mut self, place: PlaceIndex) -> Connection<S> {
        self.handle.set_place(place);
        self
    }
}

impl Connection {
    /// Serves the connection in a task of its worker.
    pub(crate) fn spawn(self) {
        let runtime = self.handle.place().and_then(Place::runtime).cloned();
        // The task needs no other owner than the table, which closes the connection, and thereby ends the task, and waits for it.
        match runtime {
            Some(runtime) => drop(runtime.spawn(self.serve())),
            None => drop(tokio::spawn(self.serve())),
        }
    }

    /// The worker that should serve the connection from now on, if that is another one. It is asked before each read.
    pub(super) fn better_place(&mut self) -> Option<PlaceIndex> {
        self.stay.next(self.handle.places(), self.handle.place()?, || sys::cpu::incoming(&self.stream))
    }

    /// Registers the socket with the worker at `place`, by a second descriptor, so that the connection remains as it is if that
    /// fails. Returns whether it was done: then it must run there.
    pub(super) fn move_to(&mut self, place: PlaceIndex) -> Result<bool, CloseReason> {
        self.before_waiting(0, false)?;
        let places = self.handle.places().clone();
        let Some(runtime) = places.at(place).and_then(Place::runtime) else { return Ok(false) };
        let _context = runtime.enter();
        let registered =
            SockRef::from(&self.stream).try_clone().and_then(|socket| socket::register(socket.into()));
        let Ok(stream) = registered else { return Ok(false) };
        self.handle.entry().replace_descriptor(Descriptor::of(&stream));
        self.stream = stream;
        self.handle.set_place(place);
        Ok(true)
    }
}

//! The thread of a ring: handles what has completed, submits what follows from it, and waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use super::bell::{Bell, BellSocket};
use crate::close_reason::CloseReason;
use crate::connection::{BlockingConnection, Next, RingConnection};
use crate::sys::uring::{Completion, Ring};

/// What the thread owns.
pub(super) struct RingThread {
    /// First, so that in a panic its operations end before the connections close.
    ring: Ring,
    /// By key. A key is free once no operation of its connection is in flight.
    connections: Vec<Option<RingConnection>>,
    free_keys: Vec<u32>,
    /// The most connections since memory was last returned to the system.
    peak: usize,
    /// Keys of connections that wait for memory.
    waiting: Vec<u32>,
    incoming: Receiver<BlockingConnection>,
    may_grow: bool,
    bell: Arc<Bell>,
    watched: BellSocket,
}

impl RingThread {
    pub(super) fn new(
        ring: Ring,
        incoming: Receiver<BlockingConnection>,
        bell: Arc<Bell>,
        watched: BellSocket,
    ) -> RingThread {
        RingThread {
            ring,
            connections: Vec::new(),
            free_keys: Vec::new(),
            peak: 0,
            waiting: Vec::new(),
            incoming,
            may_grow: true,
            bell,
            watched,
        }
    }

    /// Serves until no connection is left and no other can follow.
    pub(super) fn run(mut self) {
        self.ring.watch(&self.watched.0);
        while self.may_grow || self.open() > 0 {
            let timeout = (!self.waiting.is_empty()).then_some(ROOM_INTERVAL);
            if self.ring.submit_and_wait(timeout).is_err() {
                // The kernel has no memory for an operation, which stays queued.
                thread::sleep(RETRY_PAUSE);
            }
            while let Some(completion) = self.ring.next_completion() {
                self.handle(completion);
            }
            for key in std::mem::take(&mut self.waiting) {
                self.proceed(key);
            }
            if self.peak > 0 && self.open() <= self.peak / 4 {
                self.shrink();
            }
        }
    }

    fn handle(&mut self, completion: Completion) {
        match completion {
            Completion::Readable => self.answer_bell(),
            Completion::Of(key, done) => {
                let connection = self.connections[key as usize].as_mut();
                let connection = connection.expect("it stays until its operations have completed");
                connection.complete(&mut self.ring, done);
                self.proceed(key);
            }
        }
    }

    /// Has a connection start its next operation, or closes it.
    fn proceed(&mut self, key: u32) {
        let slot = &mut self.connections[key as usize];
        let Some(connection) = slot else { return };
        match connection.proceed(&mut self.ring, key) {
            Next::InFlight | Next::Resumption => {}
            Next::Room => {
                if !self.waiting.contains(&key) {
                    self.waiting.push(key);
                }
            }
            Next::Closing(end) => {
                if let Some(closed) = slot.take() {
                    closed.connection.close(end);
                }
                self.free_keys.push(key);
            }
        }
    }

    /// Number of its connections.
    fn open(&self) -> usize {
        self.connections.len() - self.free_keys.len()
    }

    /// Frees what was allocated for many connections, after most of them have closed.
    fn shrink(&mut self) {
        self.peak = self.open();
        self.ring.release_pages();
        let used = self.connections.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.connections.truncate(used);
        self.connections.shrink_to_fit();
        self.free_keys.retain(|&key| (key as usize) < used);
        self.free_keys.shrink_to_fit();
    }

    /// Looks for what it was woken for.
    fn answer_bell(&mut self) {
        let is_for_connections = self.bell.answer(&self.watched);
        self.ring.watch(&self.watched.0);
        if is_for_connections {
            for key in 0..self.connections.len() as u32 {
                if let Some(connection) = &self.connections[key as usize] {
                    connection.pause(&mut self.ring, key);
                    self.proceed(key);
                }
            }
        }
        loop {
            match self.incoming.try_recv() {
                Ok(connection) => self.add(connection),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.may_grow = false;
                    break;
                }
            }
        }
    }

    fn add(&mut self, connection: BlockingConnection) {
        let room = self.free_keys.try_reserve(1).and(self.connections.try_reserve(1));
        if room.is_err() {
            return connection.close(Err(CloseReason::OutOfMemory));
        }
        connection.wake_by(&Waker::from(self.bell.clone()));
        let connection = Some(RingConnection::new(connection));
        let key = match self.free_keys.pop() {
            Some(key) => {
                self.connections[key as usize] = connection;
                key
            }
            None => {
                self.connections.push(connection);
                self.connections.len() as u32 - 1
            }
        };
        self.peak = self.peak.max(self.open());
        self.proceed(key);
    }
}

/// How often to look for memory while a connection waits for it. The connections that are being closed need the CPU for a moment.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

/// How long to pause when the kernel has no memory for an operation.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

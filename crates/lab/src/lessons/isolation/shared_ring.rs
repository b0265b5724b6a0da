//! An echo server on io_uring that receives into one ring of buffers for all its clients, and holds each buffer until the reply in it is
//! written.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;

use echoctl_server::uring::{
    Completion, Done, Lease, PoolSize, Ring, Size, has_found_no_buffer, is_temporary,
};

use super::rings::Occupancy;
use crate::kit::LessonError;

/// The server, for the thread that it was created on.
pub(super) struct SharedRing {
    /// First, so that in a panic its operations end before the sockets close.
    ring: Ring,
    clients: Vec<Client>,
    /// Clients for which bytes have arrived while no buffer was free.
    without_buffer: Vec<usize>,
    occupancy: Occupancy,
}

struct Client {
    socket: TcpStream,
    /// Buffers whose bytes are to be written after the one that is being written.
    replies: VecDeque<Lease>,
    is_sending: bool,
    has_ended: bool,
}

impl SharedRing {
    /// # Errors
    /// [`LessonError::NotVisible`] when the kernel or a sandbox refuses io_uring.
    pub(super) fn new() -> Result<SharedRing, LessonError> {
        let mut ring =
            Ring::new(BUFFERS, NOT_USED).map_err(|source| echoctl_server::Error::NoUring { source })?;
        while ring.grow(Size::Small) {}
        let occupancy = Occupancy { buffers: BUFFERS.count.into(), ..Occupancy::default() };
        Ok(SharedRing { ring, clients: Vec::new(), without_buffer: Vec::new(), occupancy })
    }

    /// Serves these clients until all have closed.
    ///
    /// # Errors
    /// If the kernel has no memory for an operation.
    pub(super) fn serve(mut self, sockets: Vec<TcpStream>) -> io::Result<Occupancy> {
        let client =
            |socket| Client { socket, replies: VecDeque::new(), is_sending: false, has_ended: false };
        self.clients = sockets.into_iter().map(client).collect();
        (0..self.clients.len()).for_each(|key| self.receive(key));
        while self.clients.iter().any(|client| client.is_sending || !client.has_ended) {
            self.ring.submit_and_wait(None)?;
            while let Some(completion) = self.ring.next_completion() {
                match completion {
                    Completion::Of(key, Done::Received(result)) => self.received(key as usize, result),
                    Completion::Of(key, Done::Sent(lease, result)) => self.sent(key as usize, lease, result),
                    other => unreachable!("this server has no such operation: {other:?}"),
                }
            }
            self.record_occupancy();
        }
        Ok(self.occupancy)
    }
}

// [show]
/// Wrong: a buffer of the ring that all clients share is held until one of them has read the reply in it.
impl SharedRing {
    fn received(&mut self, key: usize, result: io::Result<Option<Lease>>) {
        match result {
            Ok(Some(buffer)) => {
                self.clients[key].replies.push_back(buffer); // however many it has already
                self.receive(key); // as a multishot receive would by itself
                self.send_next(key);
            }
            Err(error) if has_found_no_buffer(&error) => self.without_buffer.push(key), // ENOBUFS
            Err(error) if is_temporary(&error) => self.receive(key),
            Ok(None) | Err(_) => self.clients[key].has_ended = true,
        }
    }

    fn sent(&mut self, key: usize, mut buffer: Lease, result: io::Result<usize>) {
        self.clients[key].is_sending = false;
        match result {
            Ok(count) => buffer.advance(count),
            Err(error) if is_temporary(&error) => {}
            Err(_) => return self.drop_replies(key, buffer),
        }
        if buffer.is_empty() {
            self.give_back(buffer); // only now
        } else {
            self.clients[key].replies.push_front(buffer);
        }
        self.send_next(key);
    }
}
// [/show]

impl SharedRing {
    fn receive(&mut self, key: usize) {
        self.ring.receive(&self.clients[key].socket, key as u32, Size::Small);
    }

    /// Sends the next reply, which waits until the client has read enough.
    fn send_next(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if !client.is_sending
            && let Some(buffer) = client.replies.pop_front()
        {
            client.is_sending = true;
            self.ring.send_held(&client.socket, key as u32, buffer);
        }
    }

    /// Nothing more can be sent to this client.
    fn drop_replies(&mut self, key: usize, buffer: Lease) {
        self.give_back(buffer);
        while let Some(buffer) = self.clients[key].replies.pop_front() {
            self.give_back(buffer);
        }
    }

    /// Gives a buffer back to the ring, and receives again for all clients that have found none.
    fn give_back(&mut self, buffer: Lease) {
        self.ring.give_back(buffer);
        for key in std::mem::take(&mut self.without_buffer) {
            self.receive(key);
        }
    }

    fn record_occupancy(&mut self) {
        let held = |client: &Client| client.replies.len() + usize::from(client.is_sending);
        let most_held = self.clients.iter().map(held).max().unwrap_or(0);
        let Occupancy { most_held: held, most_waiting, .. } = &mut self.occupancy;
        *held = most_held.max(*held);
        *most_waiting = self.without_buffer.len().max(*most_waiting);
    }
}

/// The ring's buffers. Any number can be used up; more take longer.
const BUFFERS: PoolSize = PoolSize { count: 16, bytes: 4096 };

/// The second size that a ring has.
const NOT_USED: PoolSize = PoolSize { count: 1, bytes: 4096 };

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;

    use super::super::client::{Clients, Stalled};
    use super::*;
    use crate::kit::loopback::{connection, is_not_now};
    use crate::kit::{join, spawn};

    /// Serves these on a thread; says so where there is no io_uring.
    fn serve(ends: Vec<TcpStream>) -> Option<std::thread::JoinHandle<io::Result<Occupancy>>> {
        SharedRing::new().inspect_err(|error| eprintln!("no io_uring here: {error}")).ok()?;
        Some(spawn(|| SharedRing::new().expect("there was one before").serve(ends)).expect("a thread"))
    }

    #[test]
    fn every_byte_comes_back_in_order() {
        let (mut client, end) = connection().expect("sockets");
        let Some(server) = serve(vec![end]) else { return };
        let sent: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
        let (mut writer, bytes) = (client.try_clone().expect("a socket"), sent.clone());
        let writing = spawn(move || {
            writer.write_all(&bytes).expect("it is received");
            writer.shutdown(Shutdown::Write).expect("a connection");
        });

        let mut got = Vec::new();
        client.read_to_end(&mut got).expect("it ends after the last reply");

        join(writing.expect("a thread")).expect("it has written");
        assert!(got == sent, "{} bytes of {} came back", got.len(), sent.len());
        assert!(join(server).expect("it has ended").expect("it served").most_held <= 16);
    }

    #[test]
    fn one_client_takes_all_buffers_until_it_reads() {
        let (mut healthy, end) = connection().expect("sockets");
        let (Clients { stalling, .. }, mut ends) = Clients::connected(0).expect("sockets");
        ends.push(end);
        let Some(server) = serve(ends) else { return };
        let stalled = Stalled::stall(stalling).expect("the server stops to receive");

        healthy.write_all(b"x").expect("a connection");
        healthy.set_nonblocking(true).expect("a socket");
        let nothing = healthy.read(&mut [0]).expect_err("no buffer is free");
        assert!(is_not_now(&nothing), "{nothing}");

        healthy.set_nonblocking(false).expect("a socket");
        let reading = stalled.read_after(std::time::Duration::ZERO).expect("a thread");
        healthy.read_exact(&mut [0]).expect("buffers are free again");
        join(reading).expect("it reads").expect("everything comes back");
        drop(healthy);
        let occupancy = join(server).expect("it has ended").expect("it served");
        assert_eq!((occupancy.most_held, occupancy.most_waiting), (16, 2));
    }

    #[test]
    fn a_client_that_closes_frees_what_it_held() {
        let (mut healthy, end) = connection().expect("sockets");
        let (Clients { stalling, .. }, mut ends) = Clients::connected(0).expect("sockets");
        ends.push(end);
        let Some(server) = serve(ends) else { return };
        drop(Stalled::stall(stalling).expect("the server stops to receive"));

        healthy.write_all(b"x").expect("a connection");
        healthy.read_exact(&mut [0]).expect("buffers are free again");

        drop(healthy);
        assert_eq!(join(server).expect("it has ended").expect("it served").most_held, 16);
    }
}

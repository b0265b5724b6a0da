//! Pings over many connections on few threads: each waits for all of its connections at once, with epoll on Linux.
//!
//! A reply is timed when its thread gets to it, so its time includes the replies that the same thread handles before it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use super::{Placement, TIMEOUT};

/// Pings in a closed loop for `time`, with the connections divided evenly among `threads`. Returns the round-trip times in nanoseconds.
pub(super) fn ping(
    streams: &[TcpStream],
    threads: usize,
    placement: Placement,
    frame: &[u8],
    time: Duration,
) -> Result<Histogram<u64>> {
    let shares: Vec<_> = streams.chunks(streams.len().div_ceil(threads)).collect();
    let ready = Barrier::new(shares.len());
    thread::scope(|scope| {
        let ready = &ready;
        let threads: Vec<_> = (shares.into_iter().enumerate())
            .map(|(number, share)| {
                scope.spawn(move || {
                    let placed = placement.place(number).and_then(|()| Share::of(share, frame));
                    // Also after an error, or the other threads would wait.
                    ready.wait();
                    placed?.run(frame, time)
                })
            })
            .collect();
        let mut all = Histogram::new(3)?;
        for thread in threads {
            all.add(thread.join().map_err(|_| anyhow!("a thread of the load panicked"))??)?;
        }
        Ok(all)
    })
}

/// The connections of one thread.
struct Share {
    poll: Poll,
    exchanges: Vec<Exchange>,
}

impl Share {
    fn of(streams: &[TcpStream], frame: &[u8]) -> Result<Share> {
        let poll = Poll::new().context("cannot wait for many connections")?;
        let mut exchanges = Vec::new();
        for (index, stream) in streams.iter().enumerate() {
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream.try_clone()?);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            exchanges.push(Exchange { stream, back: vec![0; frame.len()], received: 0, sent_at: None });
        }
        Ok(Share { poll, exchanges })
    }

    fn run(mut self, frame: &[u8], time: Duration) -> Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        let mut events = Events::with_capacity(self.exchanges.len());
        let end = Instant::now() + time;
        for exchange in &mut self.exchanges {
            exchange.send(frame, Instant::now())?;
        }
        let mut open = self.exchanges.len();
        while open > 0 {
            match self.poll.poll(&mut events, Some(TIMEOUT)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            ensure!(!events.is_empty(), "no reply within {} s", TIMEOUT.as_secs());
            for event in &events {
                let exchange = &mut self.exchanges[event.token().0];
                let Some(sent_at) = exchange.receive()? else { continue };
                let now = Instant::now();
                times.record((now - sent_at).as_nanos() as u64)?;
                ensure!(exchange.back == frame, "wrong bytes came back");
                if now < end {
                    exchange.send(frame, now)?;
                } else {
                    open -= 1;
                }
            }
        }
        Ok(times)
    }
}

/// One connection: a frame is sent, then received, then the next.
struct Exchange {
    stream: mio::net::TcpStream,
    back: Vec<u8>,
    received: usize,
    /// When the frame was sent that is not back yet.
    sent_at: Option<Instant>,
}

impl Exchange {
    fn send(&mut self, frame: &[u8], now: Instant) -> Result<()> {
        (self.received, self.sent_at) = (0, Some(now));
        let count = self.stream.write(frame)?;
        ensure!(count == frame.len(), "an empty send queue accepted only {count} bytes of a frame");
        Ok(())
    }

    /// When the frame was sent that is now back, once it is complete.
    fn receive(&mut self) -> Result<Option<Instant>> {
        // The next event only comes after everything has been read. Nothing follows a complete frame.
        while self.received < self.back.len() {
            match self.stream.read(&mut self.back[self.received..]) {
                Ok(0) => bail!("the server has closed the connection"),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.sent_at.take())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::TcpListener;

    use super::*;

    /// A server that echoes what it gets, changed by `change`.
    fn connections(count: usize, change: fn(&mut [u8])) -> Vec<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let streams = (0..count).map(|_| TcpStream::connect(addr).unwrap()).collect();
        for _ in 0..count {
            let (mut stream, _) = listener.accept().unwrap();
            thread::spawn(move || -> io::Result<()> {
                let mut buffer = [0; 64];
                loop {
                    let len = stream.read(&mut buffer)?;
                    if len == 0 {
                        return Ok(());
                    }
                    change(&mut buffer[..len]);
                    // In two parts, so that a frame arrives in pieces.
                    stream.write_all(&buffer[..len / 2])?;
                    stream.write_all(&buffer[len / 2..len])?;
                }
            });
        }
        streams
    }

    #[test]
    fn every_connection_gets_its_frames_back() {
        let streams = connections(5, |_| ());

        let times = ping(&streams, 2, Placement::Pinned, &[7; 64], Duration::from_millis(50)).unwrap();

        assert!(times.len() >= 5, "one frame per connection: {}", times.len());
    }

    #[test]
    fn wrong_bytes_are_an_error() {
        let streams = connections(2, |bytes| bytes[0] = 0);

        let error = ping(&streams, 1, Placement::Free, &[7; 64], Duration::from_millis(50)).unwrap_err();

        assert_eq!(error.to_string(), "wrong bytes came back");
    }
}

//! One task per connection, on worker threads: one per CPU, each with a runtime, a poll of its sockets, and connections of its own.
//!
//! An echo that crosses CPUs has to wake the other CPU, which takes longer than the echo itself. So each worker is pinned to a CPU,
//! and serves the connections whose packets arrive there. The kernel says where that is ([`sys::cpu::incoming`]). It is asked when a
//! connection is accepted, and again now and then, since clients move too. [`places`](super::places) has the rules, which also see to it that no
//! worker is idle while another one has too much to do. A connection [moves](ConnectionHandle::place) at a moment when it waits
//! for nothing and has written everything.
//!
//! There is one listening socket and one loop that accepts, not one per worker (`SO_REUSEPORT`): a client that was accepted by the
//! kernel never waits behind a worker that is busy, and a second server on the same address is refused.
//!
//! Where there are not exactly as many workers as CPUs, or the system does not say where packets arrive, no thread is pinned, and
//! connections go to the worker that has fewest.

use std::io;
use std::mem;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::places::{Place, PlaceIndex, Places};
use crate::config::Config;
use crate::process::start_thread;
use crate::sys::socket::{self, Socket};
use crate::sys::{self, schedule::ThreadSchedule};

/// The worker threads. They exit when this is dropped, and close the connections that they still have.
pub(crate) struct Workers {
    threads: Vec<Worker>,
    places: Arc<Places>,
}

struct Worker {
    thread: JoinHandle<()>,
    /// The thread exits when this is dropped.
    stop: oneshot::Sender<()>,
}

impl Workers {
    /// Starts `count` threads, by default one per core, or fewer where a process may have few descriptors: connections need them.
    ///
    /// # Errors
    /// If the kernel provides no thread or no epoll.
    pub(crate) fn start(count: Option<usize>) -> io::Result<Workers> {
        let count = count.unwrap_or_else(|| {
            let cores = thread::available_parallelism().map_or(1, usize::from).min(Config::MOST_WORKERS);
            cores.min(sys::descriptor_limit().unwrap_or(usize::MAX) / DESCRIPTORS_PER_WORKER).max(1)
        });
        // Those that were started exit when one cannot be.
        let mut workers = Workers { threads: Vec::new(), places: Arc::default() };
        let mut places = Vec::new();
        for cpu in sys::cpu::one_each(count) {
            let (worker, place) = Worker::start(cpu)?;
            workers.threads.push(worker);
            places.push(place);
        }
        workers.places = Arc::new(Places::new(places));
        Ok(workers)
    }

    /// Where connections are served.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Has the worker at `place` wait for events of a socket.
    ///
    /// # Errors
    /// If the kernel has no memory for it.
    pub(crate) fn register(&self, stream: TcpStream, place: PlaceIndex) -> io::Result<Socket> {
        let _context = self.places.at(place).and_then(Place::runtime).map(Handle::enter);
        socket::register(stream)
    }
}

impl Worker {
    /// Starts a thread with a runtime, which it builds and drops itself: a runtime must not be dropped by a task.
    fn start(cpu: Option<usize>) -> io::Result<(Worker, Place)> {
        let (built, place) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = start_thread(thread::Builder::new().name("worker".to_owned()), move || {
            cpu.into_iter().for_each(sys::cpu::pin_to);
            let runtime = Builder::new_current_thread().enable_io().enable_time().build();
            let place = runtime.as_ref().map(|runtime| {
                Place::worker(runtime.handle().clone(), ThreadSchedule::of_this_thread().ok(), cpu)
            });
            // The receiver waits for it.
            let _ = built.send(place.map_err(io::Error::kind));
            if let Ok(runtime) = runtime {
                // Nothing is ever sent: the channel closes.
                let _ = runtime.block_on(stopped);
            }
        })?;
        let place = place.recv().map_err(|_| io::Error::other("the thread has exited"))??;
        Ok((Worker { thread, stop }, place))
    }
}

/// A process may have this many descriptors for each worker: five of them are the worker's own.
const DESCRIPTORS_PER_WORKER: usize = 16;

impl Drop for Workers {
    fn drop(&mut self) {
        for Worker { thread, stop } in mem::take(&mut self.threads) {
            drop(stop);
            // One that has panicked has said why.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use echoctl_proto::Framing;
    use echoctl_testkit::{eventually, pair};

    use super::*;
    use crate::connection::Connection;
    use crate::connection::frames::Room;
    use crate::policy::Policy;
    use crate::settings::Settings;
    use crate::sys::Descriptor;
    use crate::table::{ConnectionHandle, Shared};

    /// Workers, and a connection that the first one serves.
    struct Served {
        client: TcpStream,
        places: Arc<Places>,
        shared: Arc<Shared>,
        _workers: Workers,
    }

    impl Served {
        fn start(workers: Option<usize>, config: Config) -> Served {
            let workers = Workers::start(workers).unwrap();
            let places = workers.places().clone();
            let shared =
                Arc::new(Shared::new(Arc::new(Settings::new(config)), places.clone(), Box::new(|_| ())));
            let (client, socket) = pair();
            socket.set_nonblocking(true).unwrap();
            let stream = workers.register(socket, 0).unwrap();
            let entry =
                shared.table.insert(Descriptor::of(&stream), client.local_addr().unwrap(), 0).unwrap();
            Connection::new(stream, ConnectionHandle::new(shared.clone(), entry), Room::Lent).at(0).spawn();
            Served { client, places, shared, _workers: workers }
        }

        /// Sends a frame and reads it back.
        fn echo(&mut self) {
            self.client.write_all(b"x\n").unwrap();
            let mut back = [0; 2];
            self.client.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"x\n");
        }
    }

    #[test]
    fn a_connection_follows_its_packets_to_another_cpu() {
        let cpus = sys::cpu::allowed();
        let cores = thread::available_parallelism().unwrap().get();
        if cpus.len() < 2 || cpus.len() != cores {
            eprintln!("skipped: it needs two CPUs, and as many as workers");
            return;
        }
        let mut served = Served::start(None, Config::default());

        for (place, &cpu) in cpus.iter().enumerate().rev() {
            sys::cpu::pin_to(cpu);
            eventually(&format!("CPU {cpu} serves it"), || {
                served.echo();
                served.places.at(place as PlaceIndex).unwrap().has_one_connection()
            });
        }
        drop(served.client);
        eventually("it has closed", || served.shared.table.open() == 0);
        assert!(!served.places.at(0).unwrap().has_one_connection(), "it is no longer counted");
    }

    #[test]
    fn no_byte_is_lost_by_moving_under_any_policy() {
        let limit = 64 * 1024;
        for policy in [
            Policy::Await,
            Policy::Off,
            Policy::Bounded { limit },
            Policy::Watermark { limit, resume_at: limit / 2 },
        ] {
            let config = Config { policy, framing: Framing::U16, ..Config::default() };
            let Served { client, places, _workers, .. } = &Served::start(Some(2), config);
            let is_done = AtomicBool::new(false);
            let frame = |number: u32| {
                let payload: Vec<u8> = (0..number % 5000).map(|i| (number + i) as u8).collect();
                [&(payload.len() as u16).to_be_bytes()[..], &payload].concat()
            };

            thread::scope(|scope| {
                // Each read of the connection moves it.
                scope.spawn(|| {
                    while !is_done.load(Relaxed) {
                        (0..2).for_each(|from| places.at(from).unwrap().hand_over(1, 1 - from));
                        thread::yield_now();
                    }
                });
                scope.spawn(|| {
                    (0..FRAMES).try_for_each(|number| (&*client).write_all(&frame(number))).unwrap()
                });
                for number in 0..FRAMES {
                    let expected = frame(number);
                    let mut back = vec![0; expected.len()];
                    (&*client).read_exact(&mut back).unwrap();
                    assert!(back == expected, "{policy}: frame {number}");
                }
                is_done.store(true, Relaxed);
            });
        }
    }

    const FRAMES: u32 = 4000;
}

//! The threads with hardly any provided buffers, beside peers that do not read.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;

use echoctl_testkit::{DEADLINE, eventually};

use super::*;
use crate::connection::Connection;
use crate::connection::frames::Room;
use crate::event::Event;
use crate::settings::Settings;
use crate::sys::Descriptor;
use crate::sys::uring::tests::{fill, refuse_io_uring};
use crate::table::{CloseCause, ConnectionHandle, Shared};

/// Rings with hardly any provided buffers, and what their connections share.
struct FewBuffers {
    uring: Uring,
    shared: Arc<Shared>,
    closed: Arc<Mutex<Vec<&'static str>>>,
    listener: TcpListener,
    addr: SocketAddr,
}

impl FewBuffers {
    /// `None` where there is no io_uring, which it says.
    fn start(config: Config) -> Option<FewBuffers> {
        let pools = [PoolSize { count: 2, bytes: 4096 }, PoolSize { count: 2, bytes: 65_536 }];
        let uring =
            Uring::with(1, pools).inspect_err(|error| eprintln!("no io_uring here: {error:?}")).ok()?;
        let closed = Arc::<Mutex<Vec<_>>>::default();
        let log = closed.clone();
        let emit = move |event| {
            if let Event::Closed { reason, .. } = event {
                log.lock().unwrap().push(reason.name());
            }
        };
        let shared =
            Arc::new(Shared::new(Arc::new(Settings::new(config)), uring.places().clone(), Box::new(emit)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        socket2::SockRef::from(&listener).set_send_buffer_size(4096).unwrap();
        let addr = listener.local_addr().unwrap();
        Some(FewBuffers { uring, shared, closed, listener, addr })
    }

    /// A peer, whose connection the ring serves.
    fn peer(&self) -> TcpStream {
        let peer = TcpStream::connect(self.addr).unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        let (socket, addr) = self.listener.accept().unwrap();
        let entry = self.shared.table.insert(Descriptor::of(&socket), addr, 0).unwrap();
        let handle = ConnectionHandle::new(self.shared.clone(), entry);
        self.uring.serve(Connection::new(socket, handle, Room::Own)).unwrap();
        peer
    }

    /// A peer that reads nothing, and has sent until the server waited for it.
    fn stalled_peer(&self) -> TcpStream {
        let peer = self.peer();
        fill(&peer);
        peer
    }

    fn load(&self) -> usize {
        self.uring.places().at(0).unwrap().connections()
    }
}

fn raw() -> Config {
    Config { framing: echoctl_proto::Framing::Raw, ..Config::default() }
}

fn round_trip(peer: &mut TcpStream, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
    let mut got = vec![0; bytes.len()];
    peer.read_exact(&mut got).unwrap();
    assert!(got == bytes);
}

#[test]
fn peers_that_do_not_read_occupy_no_provided_buffer() {
    let Some(server) = FewBuffers::start(raw()) else { return };
    let mut bystander = server.peer();
    round_trip(&mut bystander, b"before");

    let stalled: Vec<_> = (0..200).map(|_| server.stalled_peer()).collect();

    eventually("the server waits for all of them", || {
        let waiting = server.shared.table.connections();
        waiting.iter().filter(|connection| connection.has_pending_output).count() == 200
    });
    for _ in 0..100 {
        round_trip(&mut bystander, &[b'x'; 3000]);
    }
    assert_eq!(server.load(), 201);
    // What each has in the server is at most one receive.
    let buffered = server.shared.account.buffered();
    assert!(buffered > 0 && buffered <= 200 * 65_536, "{buffered} bytes");
    drop(stalled);
    eventually("all are closed", || server.load() == 1);
    assert_eq!(server.shared.account.buffered(), 0);
}

#[test]
fn a_peer_that_stalls_and_then_reads_gets_every_byte() {
    let Some(server) = FewBuffers::start(Config::default()) else { return };
    let mut peer = server.peer();
    // Frames of many lengths, some longer than any provided buffer.
    let mut sent = Vec::new();
    for number in 0..600_usize {
        sent.extend(
            (0..number * 7919 % if number % 50 == 0 { 300_000 } else { 9000 }).map(|i| b'a' + (i % 25) as u8),
        );
        sent.push(b'\n');
    }
    let mut writer = peer.try_clone().unwrap();
    let bytes = sent.clone();
    let sender = thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });

    eventually("the server waits for it", || {
        server.shared.table.connections().iter().any(|connection| connection.has_pending_output)
    });
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    sender.join().unwrap();

    assert!(got == sent, "{} bytes came back of {}", got.len(), sent.len());
    eventually("it is closed", || server.load() == 0);
    assert_eq!(*server.closed.lock().unwrap(), ["eof"]);
}

#[test]
fn connections_close_from_outside_whatever_is_in_flight() {
    let Some(server) = FewBuffers::start(Config { max_frame: 1 << 24, ..Config::default() }) else { return };
    let (mut idle, mut in_a_frame, mut lines) = (server.peer(), server.peer(), server.peer());
    round_trip(&mut idle, b"hello\n");
    in_a_frame.write_all(&[b'x'; 300_000]).unwrap();
    eventually("it has arrived", || server.shared.stats().totals.received >= 300_006);
    lines.set_nonblocking(true).unwrap();
    let line = [vec![b'x'; 99_999], vec![b'\n']].concat();
    eventually("the server waits for a peer to read", || {
        let _ = lines.write(&line);
        server.shared.table.connections().iter().any(|connection| connection.has_pending_output)
    });

    server.shared.table.close_all(CloseCause::Operator);

    eventually("all are closed", || server.load() == 0);
    assert_eq!(*server.closed.lock().unwrap(), ["operator"; 3]);
    assert_eq!(server.shared.account.buffered(), 0);
    round_trip(&mut server.peer(), b"the next is served\n");
}

#[test]
fn as_many_threads_serve_as_are_asked_for() {
    match Uring::start(Some(3)) {
        Ok(uring) => assert_eq!(uring.threads.len(), 3),
        Err(error) => eprintln!("no io_uring here: {error}"),
    }
}

#[test]
fn where_io_uring_is_refused_the_error_says_so() {
    let refused = thread::spawn(|| {
        refuse_io_uring();
        Uring::start(None).err()
    });

    let error = refused.join().unwrap().expect("the kernel refuses it");

    assert!(matches!(error, Error::NoUring { .. }), "{error:?}");
}

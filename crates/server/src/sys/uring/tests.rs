//! A ring without the server: every operation, what the kernel refuses, and the end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use echoctl_testkit::{eventually, pair};

use super::*;
use crate::sys::Descriptor;

/// A ring with two small and two large buffers; says so where there is none.
fn ring() -> Option<Ring> {
    let size = |bytes| PoolSize { count: 2, bytes };
    Ring::new(size(4096), size(65_536)).inspect_err(|error| eprintln!("no io_uring here: {error}")).ok()
}

/// The next completion of the only connection.
fn done(ring: &mut Ring) -> Done {
    loop {
        match ring.next_completion() {
            Some(Completion::Of(7, done)) => return done,
            Some(other) => panic!("{other:?}"),
            // A send that a receive follows does not end the wait.
            None => ring.submit_and_wait(Some(Duration::from_millis(10))).unwrap(),
        }
    }
}

fn received(ring: &mut Ring) -> Lease {
    match done(ring) {
        Done::Received(Ok(Some(lease))) => lease,
        other => panic!("{other:?}"),
    }
}

/// Writes until the kernel accepts no more, and no acknowledgement that would change this is on its way.
pub(crate) fn fill(mut socket: &TcpStream) {
    socket.set_nonblocking(true).unwrap();
    eventually("the kernel accepts no more", || {
        let is_window_closed = Descriptor::of(socket).send_queue() == Some(not_sent(socket));
        let is_refused = socket.write(&[b'x'; 1 << 16]).is_err();
        while socket.write(&[b'x'; 1 << 16]).is_ok() {}
        is_window_closed && is_refused
    });
    socket.set_nonblocking(false).unwrap();
}

/// Bytes in the send queue that the kernel has not sent yet. The others are on their way.
fn not_sent(socket: &TcpStream) -> u32 {
    /// From `include/uapi/linux/sockios.h`.
    const SIOCOUTQNSD: libc::Ioctl = 0x894B;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the socket is borrowed, so it is open, and SIOCOUTQNSD writes one int, to which it is given a valid pointer.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCOUTQNSD, &raw mut bytes) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    bytes as u32
}

fn unread(bytes: &[u8]) -> Box<Buffer> {
    let mut buffer = Box::new(Buffer::new(1 << 24));
    buffer.append(bytes).unwrap();
    buffer
}

#[test]
fn what_arrives_is_leased_and_sent_and_received_again() {
    let Some(mut ring) = ring() else { return };
    let (mut peer, socket) = pair();
    ring.receive(&socket, 7, Size::Small);

    // More rounds than buffers: each one comes back.
    for round in 0..10 {
        peer.write_all(b"and more").unwrap();
        let mut lease = received(&mut ring);
        ring.prepend(&mut lease, b"earlier ");
        assert_eq!((ring.bytes(&lease), lease.len()), (&b"earlier and more"[..], 16), "round {round}");
        ring.send(&socket, 7, lease, 16, Some(Size::Large));
        let Done::Sent(lease, Ok(16)) = done(&mut ring) else { panic!("not all was sent") };
        ring.give_back(lease);
        let mut got = [0; 16];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"earlier and more");
    }
}

#[test]
fn a_send_that_would_wait_ends_and_cancels_the_receive() {
    let Some(mut ring) = ring() else { return };
    let (mut peer, socket) = pair();
    socket2::SockRef::from(&socket).set_send_buffer_size(4096).unwrap();
    ring.receive(&socket, 7, Size::Large);
    peer.write_all(b"more than nothing").unwrap();
    let lease = received(&mut ring);
    ring.give_back(lease);

    let mut accepted = 0;
    loop {
        // Whatever the buffer contains is sent again and again, until the kernel accepts no more.
        peer.write_all(&[b'x'; 10_000]).unwrap();
        ring.receive(&socket, 7, Size::Large);
        let lease = received(&mut ring);
        let all = lease.len();
        ring.send(&socket, 7, lease, all, Some(Size::Large));
        let Done::Sent(lease, result) = done(&mut ring) else { panic!("the send completes first") };
        ring.give_back(lease);
        let count = result.unwrap_or(0);
        accepted += count;
        if count < all {
            break;
        }
        ring.cancel_receive(7);
        assert!(matches!(done(&mut ring), Done::Received(Err(_))));
    }
    let Done::Received(Err(error)) = done(&mut ring) else { panic!("nothing may be received now") };
    assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));

    drop((ring, socket));
    let mut got = Vec::new();
    // Closing a socket with unread bytes resets it; what was accepted before may be lost.
    let _ = peer.read_to_end(&mut got);
    assert!(got.len() <= accepted, "{} bytes arrived of {accepted}", got.len());
}

#[test]
fn a_held_buffer_comes_back_once_the_peer_has_read() {
    let Some(mut ring) = ring() else { return };
    let (mut peer, socket) = pair();
    peer.write_all(b"held").unwrap();
    ring.receive(&socket, 7, Size::Small);
    let lease = received(&mut ring);
    fill(&socket);

    ring.send_held(&socket, 7, lease);
    ring.submit_and_wait(Some(Duration::from_millis(10))).unwrap();
    assert!(ring.next_completion().is_none(), "it waits for the peer");

    let reader = thread::spawn(move || {
        let (mut last, mut buffer) = (0, vec![0; 1 << 16]);
        while last != b'd' {
            let count = peer.read(&mut buffer).unwrap();
            last = buffer[count - 1];
        }
    });
    let Done::Sent(lease, Ok(4)) = done(&mut ring) else { panic!("all of it was sent") };
    ring.give_back(lease);
    reader.join().unwrap();
}

#[test]
fn without_a_free_buffer_a_receive_fails_and_loses_nothing() {
    let Some(mut ring) = ring() else { return };
    let (mut peer, socket) = pair();
    let mut leases = Vec::new();
    for _ in 0..2 {
        peer.write_all(b"x").unwrap();
        ring.receive(&socket, 7, Size::Small);
        leases.push(received(&mut ring));
    }

    peer.write_all(b"kept").unwrap();
    ring.receive(&socket, 7, Size::Small);
    let Done::Received(Err(error)) = done(&mut ring) else { panic!("there is no buffer") };
    assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));

    leases.into_iter().for_each(|lease| ring.give_back(lease));
    ring.receive(&socket, 7, Size::Small);
    let lease = received(&mut ring);
    assert_eq!(ring.bytes(&lease), b"kept");
}

#[test]
fn released_pages_are_usable_again() {
    let Some(mut ring) = ring() else { return };
    let (mut peer, socket) = pair();
    for _ in 0..5 {
        ring.release_pages();
        peer.write_all(b"hello").unwrap();
        ring.receive(&socket, 7, Size::Large);
        ring.release_pages();
        let lease = received(&mut ring);
        ring.release_pages();
        assert_eq!(ring.bytes(&lease), b"hello");
        ring.give_back(lease);
    }
}

#[test]
fn a_ring_that_is_dropped_waits_for_its_operations() {
    let Some(mut ring) = ring() else { return };
    let (peer, socket) = pair();
    let (_other_peer, other) = pair();
    ring.watch(&other);
    ring.receive(&other, 8, Size::Small);
    ring.receive_own(&socket, 9, unread(b""), 1 << 20).unwrap();
    fill(&socket);
    ring.send_own(&socket, 7, unread(b"the kernel accepts no more"), 10).unwrap();
    ring.submit_and_wait(Some(Duration::from_millis(10))).unwrap();
    assert!(ring.next_completion().is_none(), "all are in flight");

    assert!(ring.settle(), "all have ended");

    assert_eq!(ring.pending, 0);
    drop((socket, peer));
}

#[test]
fn a_sandbox_that_refuses_io_uring_is_an_error() {
    let refused = thread::spawn(|| {
        refuse_io_uring();
        Ring::new(PoolSize { count: 2, bytes: 4096 }, PoolSize { count: 2, bytes: 4096 }).err()
    });

    let error = refused.join().unwrap().expect("the kernel refuses it");

    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

/// Has the kernel refuse io_uring to this thread and the threads that it starts, as the sandboxes of containers do.
pub(crate) fn refuse_io_uring() {
    const BPF_LOAD_NUMBER: u16 = 0x20;
    const BPF_JUMP_IF_EQUAL: u16 = 0x15;
    const BPF_RETURN: u16 = 0x06;
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        instruction(BPF_LOAD_NUMBER, 0, 0, 0),
        instruction(BPF_JUMP_IF_EQUAL, 0, 1, libc::SYS_io_uring_setup as u32),
        instruction(BPF_RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        instruction(BPF_RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter points to a program of this length, which the kernel copies.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter)
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

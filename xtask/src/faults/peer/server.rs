//! Servers that treat each connection badly, each in one way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, SockRef, Socket, Type};

use super::print_line;
use crate::faults::kit::sys;
use crate::faults::kit::text::{EVIL, EVIL_NAME};

/// What a server does with a connection, until it is over.
pub(super) type Behaviour = fn(&mut TcpStream) -> std::io::Result<()>;

pub(super) fn behaviour(mode: &str) -> Option<Behaviour> {
    Some(match mode {
        "echo" => echo,
        "garbage" => garbage,
        "lines" => endless_lines,
        "drip" => drip,
        "drip-back" => drip_back,
        "silent" => |_| park(),
        "swallow" => swallow,
        "half-close" => half_close,
        "half-close-late" => half_close_late,
        "reset" => reset,
        "reset-late" => reset_late,
        "close" => |_| Ok(()),
        "flip" => flip,
        "double" => double,
        "stuck" => stuck,
        "huge" => huge,
        "evil" => evil,
        "dies" => dies,
        _ => return None,
    })
}

/// Accepts for ever, with one thread per connection.
pub(super) fn serve(addr: SocketAddr, behaviour: Behaviour) -> Result<()> {
    let listener = TcpListener::bind(addr).with_context(|| format!("cannot listen at {addr}"))?;
    print_line(&format!("listening on {}", listener.local_addr()?));
    for stream in listener.incoming() {
        let mut stream = stream?;
        // A connection that fails is over; the peer sees that.
        thread::spawn(move || behaviour(&mut stream));
    }
    Ok(())
}

/// An echo server whose process has an evil name.
pub(super) fn named(addr: SocketAddr) -> Result<()> {
    sys::set_name(EVIL_NAME)?;
    serve(addr, echo)
}

/// Listens and never accepts; its backlog is full, so that no client gets a connection.
pub(super) fn never_accept(addr: SocketAddr) -> Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.bind(&addr.into())?;
    socket.listen(0)?;
    let addr = socket.local_addr()?.as_socket().context("a socket without an address")?;
    let mut waiting = Vec::new();
    // The first one that does not get its connection immediately found the backlog full.
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    print_line(&format!("listening on {addr}"));
    park()?;
    Ok(())
}

fn park() -> std::io::Result<()> {
    loop {
        thread::park();
    }
}

fn echo(stream: &mut TcpStream) -> std::io::Result<()> {
    each_piece(stream, |stream, piece| stream.write_all(piece))
}

fn garbage(stream: &mut TcpStream) -> std::io::Result<()> {
    let piece: Vec<u8> = (0..65_536_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    loop {
        stream.write_all(&piece)?;
    }
}

fn endless_lines(stream: &mut TcpStream) -> std::io::Result<()> {
    let piece = "not what was sent\n".repeat(4096);
    loop {
        stream.write_all(piece.as_bytes())?;
    }
}

/// One byte per second, whatever it receives.
fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x")?;
        thread::sleep(Duration::from_secs(1));
    }
}

/// The right bytes, one per second.
fn drip_back(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 {
        stream.write_all(&byte)?;
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn swallow(stream: &mut TcpStream) -> std::io::Result<()> {
    each_piece(stream, |_, _| Ok(()))
}

fn half_close(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    swallow(stream)
}

/// Echoes 64 KiB, shuts down its sending side, and reads on.
fn half_close_late(stream: &mut TcpStream) -> std::io::Result<()> {
    echo_some(stream, 64 << 10)?;
    half_close(stream)
}

fn reset(stream: &mut TcpStream) -> std::io::Result<()> {
    SockRef::from(&*stream).set_linger(Some(Duration::ZERO))
}

fn reset_late(stream: &mut TcpStream) -> std::io::Result<()> {
    echo_some(stream, 64 << 10)?;
    reset(stream)
}

fn flip(stream: &mut TcpStream) -> std::io::Result<()> {
    each_piece(stream, |stream, piece| {
        let changed: Vec<u8> =
            piece.iter().map(|byte| if *byte == b'\n' { *byte } else { byte ^ 1 }).collect();
        stream.write_all(&changed)
    })
}

/// Sends everything back twice.
fn double(stream: &mut TcpStream) -> std::io::Result<()> {
    each_piece(stream, |stream, piece| stream.write_all(piece).and_then(|()| stream.write_all(piece)))
}

/// The length of a frame (in both u16 and u32), and never the frame.
fn stuck(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&[0, 1, 0, 0])?;
    park()
}

/// The largest length, in u16 and u32, and bytes for ever.
fn huge(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&[0xff; 4])?;
    garbage(stream)
}

/// Replies to each read with a line that a terminal must not get.
fn evil(stream: &mut TcpStream) -> std::io::Result<()> {
    each_piece(stream, |stream, _| writeln!(stream, "{EVIL}"))
}

/// Echoes 1 MiB over all connections, and then the whole process exits.
fn dies(stream: &mut TcpStream) -> std::io::Result<()> {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    each_piece(stream, |stream, piece| {
        if TAKEN.fetch_add(piece.len(), Ordering::Relaxed) > 1 << 20 {
            std::process::exit(9);
        }
        stream.write_all(piece)
    })
}

fn echo_some(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let mut left = bytes;
    let mut piece = [0; 4096];
    while left > 0 {
        let length = stream.read(&mut piece[..left.min(4096)])?;
        if length == 0 {
            break;
        }
        stream.write_all(&piece[..length])?;
        left -= length;
    }
    Ok(())
}

fn each_piece(
    stream: &mut TcpStream,
    mut act: impl FnMut(&mut TcpStream, &[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut piece = [0; 64 << 10];
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            length => act(stream, &piece[..length])?,
        }
    }
}

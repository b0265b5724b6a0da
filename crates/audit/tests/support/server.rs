//! Servers for this crate's tests, in processes of their own: `audit-test-server ROLE …`. Only the role of a supervisor needs more
//! than std.

mod chat;
mod feed;
mod places;

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::exit;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chat::Crowd;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["supervise", ..] => {
            return echoctl_trial::spawn::supervise(&env::args_os().skip(2).collect::<Vec<_>>());
        }
        ["echo", addr] => listen(addr, echo_in_a_process),
        ["echo-after", folder, addr] => {
            wait_for_go(Path::new(folder), addr).and_then(|()| listen(addr, echo_in_a_process))
        }
        ["stdio"] => echo_stdio(),
        ["trap", addr] => listen(addr, trap),
        ["serial", addr] => listen(addr, echo),
        ["blocking", addr] => blocking(addr),
        ["pool", threads, addr] => places::pool(threads, addr),
        ["leaking", addr] => places::leaking(addr),
        ["once", addr] => once(addr),
        ["hasty", addr] => listen(addr, |stream| thread::spawn(|| hasty(stream))),
        ["fragile", addr] => listen(addr, |stream| thread::spawn(|| fragile(stream))),
        ["stuck", addr] => listen(addr, |stream| thread::spawn(|| stuck(stream))),
        ["strict", addr] => listen(addr, |stream| thread::spawn(|| strict(stream))),
        ["library", addr] => listen(addr, |stream| thread::spawn(|| library(stream))),
        ["large", addr] => listen(addr, |stream| thread::spawn(|| answer_at_length(stream))),
        ["chat", addr] => chat::serve(addr, Crowd::Waits),
        ["loose-chat", addr] => chat::serve(addr, Crowd::Drops),
        ["chat-with-answers", addr] => chat::serve(addr, Crowd::Answers),
        ["same-client", addr] => chat::serve(addr, Crowd::Replaces),
        ["feed", manner, port] => feed::serve(manner, port),
        ["hub", addr] => feed::hub(addr),
        ["receive", addr] => feed::receive(addr),
        ["receive-twice", addr] => feed::receive_twice(addr),
        ["late", addr] => listen(addr, late),
        ["shedding", addr] => places::shedding(addr),
        ["warming", addr] => warming(addr),
        ["collect", addr] => listen(addr, |stream| thread::spawn(|| collect(stream))),
        ["relay", addr, upstream] => listen(addr, |stream| relay(stream, upstream)),
        ["collect-file", path] => fs::read(path).map(|bytes| drop(std::hint::black_box(bytes))),
        ["relay-file", addr, path] => relay_to_file(addr, path),
        #[cfg(unix)]
        ["collect-unix", path] => unix::collect(path),
        #[cfg(unix)]
        ["relay-unix", addr, path] => listen(addr, |stream| unix::relay(&stream, path)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no such role: {words:?}"))),
    };
    if let Err(error) = done {
        eprintln!("{error}");
        exit(1);
    }
}

/// Calls `serve` for each connection, one after the other. `addr` is an address or a port of this host.
fn listen<T>(addr: &str, serve: impl Fn(TcpStream) -> T) -> io::Result<()> {
    let listener = match addr.parse::<u16>() {
        Ok(port) => TcpListener::bind(("127.0.0.1", port))?,
        Err(_) => TcpListener::bind(addr)?,
    };
    for stream in listener.incoming() {
        // A connection that is gone by now, or one that breaks while it is served, does not end the server.
        let _ = stream.map(&serve);
    }
    Ok(())
}

/// Echoes in a process of its own, which this process does not wait for.
#[cfg(unix)]
fn echo_in_a_process(stream: TcpStream) -> io::Result<()> {
    use std::os::fd::OwnedFd;
    use std::process::Command;

    let input = OwnedFd::from(stream.try_clone()?);
    Command::new(env::current_exe()?)
        .arg("stdio")
        .stdin(input)
        .stdout(OwnedFd::from(stream))
        .spawn()
        .map(drop)
}

/// No test asks for it: where a socket is not a file descriptor, no process inherits one.
#[cfg(not(unix))]
fn echo_in_a_process(_: TcpStream) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The process of one connection.
fn echo_stdio() -> io::Result<()> {
    let (mut input, mut output, mut chunk) = (io::stdin().lock(), io::stdout().lock(), [0; 65536]);
    loop {
        match input.read(&mut chunk)? {
            0 => return Ok(()),
            length => output.write_all(&chunk[..length]).and_then(|()| output.flush())?,
        }
    }
}

/// Echoes to one client until it disconnects; the next one waits.
fn echo(stream: TcpStream) -> io::Result<u64> {
    io::copy(&mut &stream, &mut &stream)
}

/// Echoes to all clients in one thread that writes without looking: one client that does not read stops all of them.
fn blocking(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", addr.parse::<u16>().map_err(io::Error::other)?))?;
    listener.set_nonblocking(true)?;
    let mut clients: Vec<TcpStream> = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if let Ok((client, _)) = listener.accept() {
            // Short: another client waits for as long as one has nothing to say.
            client.set_read_timeout(Some(Duration::from_millis(1)))?;
            clients.push(client);
        }
        clients.retain_mut(|client| match client.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => client.write_all(&buffer[..count]).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        });
        if clients.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Echoes to the only client that it accepts, and ends.
fn once(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", addr.parse::<u16>().map_err(io::Error::other)?))?;
    let (stream, _) = listener.accept()?;
    drop(listener);
    echo(stream).map(drop)
}

/// Echoes, and closes a connection that has been silent for a moment.
fn hasty(stream: TcpStream) -> io::Result<u64> {
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    echo(stream)
}

/// Echoes, and exits when a client goes that has kept it waiting: in order or, if it leaves something unread, by a reset.
fn fragile(mut stream: TcpStream) -> io::Result<()> {
    let (mut buffer, mut longest) = ([0; 65536], Duration::ZERO);
    loop {
        let length = stream.read(&mut buffer).unwrap_or(0);
        let began = Instant::now();
        let echoed = stream.write_all(&buffer[..length]);
        longest = longest.max(began.elapsed());
        if length == 0 || echoed.is_err() {
            if longest > Duration::from_secs(1) {
                exit(3);
            }
            return Ok(());
        }
    }
}

/// Echoes, and reads no more once it has waited, as one with edge-triggered polling that missed an event: it has written all that it read,
/// and input waits for it for ever.
fn stuck(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 65536];
    loop {
        let length = stream.read(&mut buffer)?;
        let began = Instant::now();
        stream.write_all(&buffer[..length])?;
        while began.elapsed() > Duration::from_secs(1) {
            thread::park();
        }
        if length == 0 {
            return Ok(());
        }
    }
}

/// Echoes, and closes a connection that keeps it waiting.
fn strict(stream: TcpStream) -> io::Result<u64> {
    stream.set_write_timeout(Some(Duration::from_millis(300)))?;
    echo(stream)
}

/// Answers the first request with many copies of a text, which it makes first.
fn library(mut stream: TcpStream) -> io::Result<()> {
    let length = stream.read(&mut [0; 65536])?;
    let page = "All happy families are alike; each unhappy family is unhappy in its own way.\n";
    stream.write_all(page.repeat((64 << 20) * length.min(1) / page.len()).as_bytes())
}

/// Answers each piece of input with a megabyte.
fn answer_at_length(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 65536];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(&vec![b'y'; 1 << 20])?;
    }
    Ok(())
}

/// Answers with much, one client at a time, and disconnects one that has kept it waiting for a while.
fn late(mut stream: TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(8)))?;
    if stream.read(&mut [0; 65536])? > 0 {
        for _ in 0..1024 {
            stream.write_all(&[b'y'; 65536])?;
        }
    }
    Ok(())
}

/// Echoes, and fills a cache of half a GiB meanwhile.
fn warming(addr: &str) -> io::Result<()> {
    thread::spawn(|| {
        let mut cache = Vec::new();
        while cache.len() < 512 {
            cache.push(vec![b'c'; 1 << 20]);
            thread::sleep(Duration::from_millis(50));
        }
        // It stays, as caches do.
        std::mem::forget(cache);
    });
    listen(addr, |stream| thread::spawn(|| echo(stream)))
}

/// Exits when it receives a byte.
fn trap(mut stream: TcpStream) {
    if let Ok(1..) = stream.read(&mut [0]) {
        exit(7);
    }
}

/// Buffers everything that arrives.
fn collect(mut stream: TcpStream) -> io::Result<usize> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all)
}

/// Passes bytes on to a server behind it and back.
fn relay(stream: TcpStream, upstream: &str) -> io::Result<()> {
    let upstream = TcpStream::connect(upstream.parse::<SocketAddr>().map_err(io::Error::other)?)?;
    let (input, output) = (stream.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || io::copy(&mut &input, &mut &output));
    thread::spawn(move || io::copy(&mut &upstream, &mut &stream));
    Ok(())
}

/// Passes bytes on to a file, which may be a named pipe, and answers nothing.
fn relay_to_file(addr: &str, path: &str) -> io::Result<()> {
    let file = Arc::new(fs::OpenOptions::new().write(true).open(path)?);
    listen(addr, |stream| {
        let file = Arc::clone(&file);
        thread::spawn(move || io::copy(&mut &stream, &mut &*file))
    })
}

/// The same over a Unix-domain socket.
#[cfg(unix)]
mod unix {
    use std::io::{self, Read};
    use std::net::TcpStream;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::thread;

    /// Buffers everything that arrives.
    pub(crate) fn collect(path: &str) -> io::Result<()> {
        for stream in UnixListener::bind(path)?.incoming() {
            let mut stream = stream?;
            thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
        Ok(())
    }

    /// Passes bytes on to a server behind it, which answers nothing.
    pub(crate) fn relay(stream: &TcpStream, path: &str) -> io::Result<()> {
        let (input, upstream) = (stream.try_clone()?, UnixStream::connect(path)?);
        thread::spawn(move || io::copy(&mut &input, &mut &upstream));
        Ok(())
    }
}

/// Writes the port to a file and waits for another one.
fn wait_for_go(folder: &Path, port: &str) -> io::Result<()> {
    fs::File::create(folder.join("port.new"))?.write_all(port.as_bytes())?;
    fs::rename(folder.join("port.new"), folder.join("port"))?;
    while !folder.join("go").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

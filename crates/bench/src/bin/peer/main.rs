//! Echo servers written the common way, the plainest of each kind, to measure echoctl against.
//!
//! `echoctl-peer NAME` listens on 127.0.0.1 at a port chosen by the kernel, prints that port, and exits when stdin is closed.
//! One file per peer, each written as its documentation shows it: none is slowed down, and none is tuned beyond its
//! documentation.

mod h2_body;
#[cfg(target_os = "linux")]
mod monoio_loop;
mod sink;
#[cfg(target_os = "linux")]
mod splice;
mod threads;
mod tokio_copy;
mod tokio_lines;
mod tokio_loop;
mod tokio_u16;
#[cfg(target_os = "linux")]
mod uring;

use std::env;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

#[cfg(target_os = "linux")]
use anyhow::anyhow;
use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

fn main() -> ExitCode {
    match run(&env::args().nth(1).unwrap_or_default()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echoctl-peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str) -> Result<()> {
    exit_with_stdin();
    match name {
        "h2" => on_tokio(h2_body::serve),
        "sink" => on_threads(sink::discard),
        "threads" => on_threads(threads::echo),
        "tokio-copy" => on_tokio(tokio_copy::echo),
        "tokio-lines" => on_tokio(tokio_lines::echo),
        "tokio-loop" => on_tokio(tokio_loop::echo),
        "tokio-u16" => on_tokio(tokio_u16::echo),
        #[cfg(target_os = "linux")]
        "io-uring" => on_cpus(uring::serve),
        #[cfg(target_os = "linux")]
        "monoio" => on_cpus(monoio_loop::serve),
        #[cfg(target_os = "linux")]
        "splice" => on_threads(splice::echo),
        _ => bail!("unknown peer '{name}'"),
    }
}

/// Serves each connection on a thread of its own. An error means that the peer has gone.
fn on_threads(serve: fn(TcpStream) -> io::Result<()>) -> Result<()> {
    for stream in listening()?.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        thread::Builder::new().spawn(move || serve(stream))?;
    }
    Ok(())
}

/// Serves each connection as a task of its own. An error means that the peer has gone.
#[tokio::main]
async fn on_tokio<S: Future<Output = io::Result<()>> + Send + 'static>(
    serve: fn(tokio::net::TcpStream) -> S,
) -> Result<()> {
    let listener = listening()?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

/// Serves on one thread per CPU, each with a listener of its own: the kernel spreads the connections over them.
#[cfg(target_os = "linux")]
fn on_cpus(serve: fn(TcpListener) -> Result<()>) -> Result<()> {
    let listen_at = |port| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_port(true)?;
        listen(socket, port)
    };
    let first = listen_at(0)?;
    let port = first.local_addr()?.port();
    let cpus = thread::available_parallelism()?.get();
    let others = (1..cpus).map(|_| listen_at(port)).collect::<Result<Vec<_>>>()?;
    print_port(port)?;
    thread::scope(|scope| {
        let threads: Vec<_> =
            others.into_iter().chain([first]).map(|listener| scope.spawn(move || serve(listener))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}

/// Listens at a port chosen by the kernel, and prints it.
fn listening() -> Result<TcpListener> {
    let listener = listen(Socket::new(Domain::IPV4, Type::STREAM, None)?, 0)?;
    print_port(listener.local_addr()?.port())?;
    Ok(listener)
}

fn listen(socket: Socket, port: u16) -> Result<TcpListener> {
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG).context("cannot listen")?;
    Ok(socket.into())
}

/// Prints the port, for the parent process.
fn print_port(port: u16) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{port}").and_then(|()| out.flush()).context("cannot print the port")
}

/// Ensures that not even a killed benchmark leaves a peer running.
fn exit_with_stdin() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Maximum number of connections in the accept backlog. With the standard library's 128, some connections of a crowd are refused and
/// retried a second later, which would measure their retry interval.
const BACKLOG: i32 = 4096;

//! Echo servers written the common way, the plainest of each kind, to measure echoctl against.
//!
//! `echoctl-peer NAME` listens on 127.0.0.1 at a port chosen by the kernel, prints that port, and exits when stdin is closed.
//! One file per peer, each written as its documentation shows it: none is slowed down, and none is tuned beyond its
//! documentation.

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

use std::env;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::thread;

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
        "sink" => sink::serve(listen()?),
        "threads" => threads::serve(listen()?),
        "tokio-copy" => tokio_copy::serve(listen()?),
        "tokio-lines" => tokio_lines::serve(listen()?),
        "tokio-loop" => tokio_loop::serve(listen()?),
        "tokio-u16" => tokio_u16::serve(listen()?),
        #[cfg(target_os = "linux")]
        "monoio" => monoio_loop::serve(print_port),
        #[cfg(target_os = "linux")]
        "splice" => splice::serve(listen()?),
        _ => bail!("unknown peer '{name}'"),
    }
}

fn listen() -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG).context("cannot listen")?;
    let listener = TcpListener::from(socket);
    print_port(listener.local_addr()?.port())?;
    Ok(listener)
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

//! The peers: echo servers as others write them, the plainest of each kind, to measure echoctl against.
//!
//! `echoctl-peer NAME` listens on a port of the kernel's choice at 127.0.0.1, prints that port, and ends when its standard
//! input ends. One peer a file, each as its own documentation shows it; none is slowed down, and none is tuned beyond what
//! its documentation says.

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
    end_with_standard_input();
    match name {
        "sink" => sink::serve(listen()?),
        "threads" => threads::serve(listen()?),
        "tokio-copy" => tokio_copy::serve(listen()?),
        "tokio-lines" => tokio_lines::serve(listen()?),
        "tokio-loop" => tokio_loop::serve(listen()?),
        "tokio-u16" => tokio_u16::serve(listen()?),
        #[cfg(target_os = "linux")]
        "monoio" => monoio_loop::serve(say),
        #[cfg(target_os = "linux")]
        "splice" => splice::serve(listen()?),
        _ => bail!("no such peer: '{name}'"),
    }
}

fn listen() -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG).context("cannot listen")?;
    let listener = TcpListener::from(socket);
    say(listener.local_addr()?.port())?;
    Ok(listener)
}

/// Tells whoever started us where we listen.
fn say(port: u16) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{port}").and_then(|()| out.flush()).context("cannot say the port")
}

/// So that not even a killed benchmark leaves a peer behind.
fn end_with_standard_input() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// Connections that wait to be accepted. With the standard library's 128, newcomers of a crowd are turned away and come again
/// a second later, which would measure their patience.
const BACKLOG: i32 = 4096;

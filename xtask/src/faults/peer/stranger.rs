//! A process that an audit did not start: it prints what it receives, and survives it.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};

use super::print_line;
use crate::faults::kit::{sys, wait_until};

/// Listens at `addr`: exclusively (`stranger`), beside others (`sharing-stranger`), or once the process that listens there
/// has exited (`successor`).
pub(super) fn run(mode: &str, addr: SocketAddr) -> Result<()> {
    sys::block(&SIGNALS);
    thread::spawn(|| {
        loop {
            print_line(&format!("signal {}", sys::await_signal(&SIGNALS)));
        }
    });
    let listener = match mode {
        "successor" => {
            print_line("waiting ");
            let mut listener = None;
            wait_until(Duration::from_secs(120), || {
                listener = listen(addr, false).ok();
                listener.is_some()
            });
            listener.context("the other process never exited")?
        }
        _ => listen(addr, mode == "sharing-stranger")?,
    };
    print_line(&format!("listening on {}", listener.local_addr()?));
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || {
            let mut piece = [0; 64 << 10];
            while let Ok(length @ 1..) = stream.read(&mut piece) {
                print_line(&format!("bytes {length}"));
            }
        });
    }
    Ok(())
}

fn listen(addr: SocketAddr, is_shared: bool) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

/// Signals that an audit, a shell or a person could send.
const SIGNALS: [i32; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

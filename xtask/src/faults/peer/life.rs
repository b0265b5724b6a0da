//! Commands for an audit that do not simply run and stop: daemons, and processes that resist being stopped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{print_line, server};
use crate::faults::kit::sys::{self, Setup};
use crate::faults::kit::{own_program, wait_until};

/// Lives the life called `mode`. Returns whether it exists.
pub(super) fn run(mode: &str, addr: SocketAddr, argument: &str) -> Result<bool> {
    let addr_text = addr.to_string();
    let serve = |addr| server::serve(addr, server::behaviour("echo").context("echo is a peer")?);
    match mode {
        // The server is a child in its own session; the command waits for it.
        "setsid" => another(&["echo", &addr_text], Kin::Session)?.wait().map(drop)?,
        "no-environment" => another(&["echo", &addr_text], Kin::Unmarked)?.wait().map(drop)?,
        // The command exits, and the server has no parent.
        "daemon" => drop(another(&["daemon-2", &addr_text], Kin::Session)?),
        "daemon-2" => drop(another(&["echo", &addr_text], Kin::Child)?),
        "unmarked-daemon" => drop(another(&["unmarked-daemon-2", &addr_text], Kin::Unmarked)?),
        "unmarked-daemon-2" => drop(another(&["echo", &addr_text], Kin::Unmarked)?),
        "late-daemon" => drop(another(&["late", &addr_text], Kin::Unmarked)?),
        "late" => {
            // The delay is the point: the command exited long before this starts to listen.
            thread::sleep(Duration::from_millis(1500));
            serve(addr)?;
        }
        "deaf" => {
            sys::block(&ENDING);
            serve(addr)?;
        }
        "stopped" => {
            thread::spawn(|| {
                // It listens by then, and the audit has found it.
                thread::sleep(Duration::from_millis(800));
                sys::signal(std::process::id(), libc::SIGSTOP)
            });
            serve(addr)?;
        }
        "heir" => {
            sys::block(&ENDING);
            thread::spawn(|| {
                sys::await_signal(&ENDING);
                // Starts another process in its place.
                let _ = another(&["sleeper", "0"], Kin::Unmarked);
                std::process::exit(0);
            });
            serve(addr)?;
        }
        "restarter" => {
            sys::block(&ENDING);
            loop {
                another(&["echo", &addr_text], Kin::Session)?.wait()?;
            }
        }
        "sleeper" => loop {
            thread::park();
        },
        // Reports its port to the case, and waits for the case's file.
        "paused-serves" | "paused-sleeps" | "paused-exits" | "paused-shares" => {
            let folder = Path::new(argument);
            fs::write(folder.join("port.new"), addr.port().to_string())?;
            fs::rename(folder.join("port.new"), folder.join("port"))?;
            wait_until(Duration::from_secs(60), || folder.join("go").exists());
            match mode {
                "paused-serves" => serve(addr)?,
                "paused-sleeps" => run("sleeper", addr, "").map(drop)?,
                "paused-shares" => share(addr)?,
                _ => {}
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// An echo server that lets others listen at its address too.
fn share(addr: SocketAddr) -> Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    socket.listen(128)?;
    print_line("sharing ");
    let echo = server::behaviour("echo").context("echo is a peer")?;
    for stream in TcpListener::from(socket).incoming() {
        let mut stream = stream?;
        thread::spawn(move || echo(&mut stream));
    }
    Ok(())
}

/// How a new process is related to the one that starts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// In the same group, with the same environment and output.
    Child,
    /// In its own session.
    Session,
    /// In its own session, without environment, and without output.
    Unmarked,
}

fn another(arguments: &[&str], kin: Kin) -> Result<std::process::Child> {
    let mut command = Command::new(own_program()?);
    command.arg("__peer").args(arguments).stdin(Stdio::null());
    if kin == Kin::Unmarked {
        command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    }
    sys::set_up(&mut command, Setup { session: kin != Kin::Child, ..Setup::default() });
    command.spawn().context("cannot start another peer")
}

/// Signals that ask a process to exit.
const ENDING: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

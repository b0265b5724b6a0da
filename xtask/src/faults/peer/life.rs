//! Commands that an audit starts and that do not simply run and stop: daemons, and those that want to stay.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{say, server};
use crate::faults::kit::sys::{self, Setup};
use crate::faults::kit::{own_program, wait_until};

/// Lives the life called `mode`. Returns whether there is one of that name.
pub(super) fn run(mode: &str, addr: SocketAddr, argument: &str) -> Result<bool> {
    let addr_text = addr.to_string();
    let serve = |addr| server::serve(addr, server::behaviour("echo").context("echo is a peer")?);
    match mode {
        // The server is a child in a session of its own; the command waits for it.
        "setsid" => another(&["echo", &addr_text], Kin::Session)?.wait().map(drop)?,
        "no-environment" => another(&["echo", &addr_text], Kin::Unmarked)?.wait().map(drop)?,
        // The command ends, and the server has no parent.
        "daemon" => drop(another(&["daemon-2", &addr_text], Kin::Session)?),
        "daemon-2" => drop(another(&["echo", &addr_text], Kin::Child)?),
        "unmarked-daemon" => drop(another(&["unmarked-daemon-2", &addr_text], Kin::Unmarked)?),
        "unmarked-daemon-2" => drop(another(&["echo", &addr_text], Kin::Unmarked)?),
        "late-daemon" => drop(another(&["late", &addr_text], Kin::Unmarked)?),
        "late" => {
            // The time is the point: the command has long ended when this begins to listen.
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
                // Leaves another one behind instead of itself.
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
        // Tells its port to the case, and waits for the case's word.
        "told-serves" | "told-sleeps" | "told-ends" | "told-shares" => {
            let folder = Path::new(argument);
            fs::write(folder.join("port.new"), addr.port().to_string())?;
            fs::rename(folder.join("port.new"), folder.join("port"))?;
            wait_until(Duration::from_secs(60), || folder.join("go").exists());
            match mode {
                "told-serves" => serve(addr)?,
                "told-sleeps" => run("sleeper", addr, "").map(drop)?,
                "told-shares" => share(addr)?,
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
    say("sharing ");
    let echo = server::behaviour("echo").context("echo is a peer")?;
    for stream in TcpListener::from(socket).incoming() {
        let mut stream = stream?;
        thread::spawn(move || echo(&mut stream));
    }
    Ok(())
}

/// How another process is related to the one that starts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kin {
    /// In the same group, with the same environment and output.
    Child,
    /// In a session of its own.
    Session,
    /// In a session of its own, with nothing of the environment, and no output.
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

/// What asks a process to end.
const ENDING: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

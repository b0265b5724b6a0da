//! Servers under test: echoctl and its peers, each in its own process, at a port chosen by the kernel.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use echoctl_observe::Process;
use echoctl_trial::ChildServer;
use serde_json::Value;

/// The directory with the programs.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Copies of the programs in this one's directory, so that a build in the meantime changes nothing.
    pub(crate) fn copied() -> Result<Programs> {
        let built = Programs::built()?;
        let programs = Programs::within(&built.path("measured"));
        fs::create_dir_all(&programs.folder).context("cannot create a directory for the programs")?;
        for name in ["echoctl", "echoctl-peer", "echoctl-decode"] {
            fs::copy(built.path(name), programs.path(name))
                .with_context(|| format!("cannot copy {name}, which `cargo xtask bench` builds"))?;
        }
        Ok(programs)
    }

    /// The programs in a directory, without a copy.
    pub(crate) fn within(folder: &Path) -> Programs {
        Programs { folder: folder.to_owned() }
    }

    /// The programs in this one's directory, without a copy: for a caller that starts each only once.
    pub(crate) fn built() -> Result<Programs> {
        let own = env::current_exe().context("cannot find this program's path")?;
        Ok(Programs::within(own.parent().context("this program's path has no directory")?))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A server that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Its name in the tables.
    pub(crate) name: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Echoctl(Vec<String>),
    Peer(&'static str),
    Node,
}

impl Candidate {
    /// `echoctl serve` with these options.
    pub(crate) fn echoctl(name: impl Into<String>, options: &[&str]) -> Candidate {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Candidate { name: name.into(), what: What::Echoctl(options) }
    }

    /// The same, which prints its `stats` ten times per second. Each look costs it a call per socket.
    pub(crate) fn with_stats(name: impl Into<String>, options: &[&str]) -> Candidate {
        Candidate::echoctl(name, &[&["--stats-every", "100ms"], options].concat())
    }

    /// One of our peers, see `bin/peer`.
    pub(crate) fn peer(name: &'static str) -> Candidate {
        Candidate { name: name.to_owned(), what: What::Peer(name) }
    }

    /// Echoctl twice, as the A/A rows, and the peers that echo bytes without framing.
    pub(crate) fn raw(peers: &[&'static str]) -> Vec<Candidate> {
        let echoctl = |name: &str| Candidate::echoctl(name, &["--framing", "raw"]);
        let peers = peers.iter().map(|&name| Candidate::peer(name));
        [echoctl("echoctl"), echoctl(AGAIN)].into_iter().chain(peers).chain(Candidate::node()).collect()
    }

    /// `echoctl serve` with these options in each of its other I/O modes, as rows `NAME, --io MODE`.
    pub(crate) fn io_modes(name: &str, options: &[&str]) -> impl Iterator<Item = Candidate> {
        IO_MODES.iter().map(move |mode| {
            Candidate::echoctl(format!("{name}, --io {mode}"), &[options, &["--io", mode]].concat())
        })
    }

    /// Node's `socket.pipe(socket)`, where Node is installed.
    pub(crate) fn node() -> Option<Candidate> {
        is_installed("node").then(|| Candidate { name: "node".to_owned(), what: What::Node })
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&self, programs: &Programs) -> Result<Server> {
        self.run(self.command(programs))
    }

    /// The same as a child of another program, such as a tracer, which ends with it.
    pub(crate) fn start_under(&self, mut program: Command, programs: &Programs) -> Result<Server> {
        let inner = self.command(programs);
        program.arg(inner.get_program()).args(inner.get_args());
        self.run(program)
    }

    fn command(&self, programs: &Programs) -> Command {
        match &self.what {
            What::Echoctl(options) => {
                let mut command = Command::new(programs.path("echoctl"));
                command.args(["serve", "--addr", "127.0.0.1:0", "--max-connections", "20000", "--json"]);
                command.arg("--until-stdin-ends").args(options);
                command
            }
            What::Peer(name) => {
                let mut command = Command::new(programs.path("echoctl-peer"));
                command.arg(name);
                command
            }
            What::Node => {
                let mut command = Command::new("node");
                command.args(["--eval", NODE]);
                command
            }
        }
    }

    fn run(&self, command: Command) -> Result<Server> {
        let reported: Arc<Mutex<Reported>> = Arc::default();
        let printed = reported.clone();
        let child = ChildServer::run(command, &self.name, move |line| {
            if let (Ok(event), Ok(mut reported)) = (serde_json::from_str(line), printed.lock()) {
                reported.note(event);
            }
        })?;
        Ok(Server { addr: child.addr(), process: Process::open(child.pid())?, _child: child, reported })
    }
}

/// A running server. It is stopped on drop.
pub(crate) struct Server {
    /// Its address.
    pub(crate) addr: SocketAddr,
    pub(crate) process: Process,
    /// Stops it on drop.
    _child: ChildServer,
    reported: Arc<Mutex<Reported>>,
}

/// What echoctl has printed so far.
#[derive(Default)]
struct Reported {
    /// Its last `stats`.
    stats: Value,
    /// Number of closed connections per reason.
    endings: BTreeMap<String, u64>,
}

impl Server {
    /// Bytes of its anonymous memory.
    pub(crate) fn memory(&mut self) -> Result<u64> {
        Ok(self.process.memory().context("the server has exited")?.anonymous)
    }

    /// Bytes of its anonymous memory, once it no longer changes.
    pub(crate) fn settled_memory(&mut self) -> Result<u64> {
        self.memory_unchanged_for(SETTLED)
    }

    /// The same, with a longer deadline: servers may return memory to the system only every second or so.
    pub(crate) fn memory_returned(&mut self) -> Result<u64> {
        self.memory_unchanged_for(RETURNS_WITHIN)
    }

    fn memory_unchanged_for(&mut self, time: Duration) -> Result<u64> {
        let deadline = Instant::now() + SETTLES_WITHIN;
        let (mut last, mut since) = (self.memory()?, Instant::now());
        while since.elapsed() < time && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
            let now = self.memory()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(last)
    }

    /// The last `stats` that echoctl printed; null for another server.
    pub(crate) fn stats(&self) -> Value {
        self.reported.lock().map(|reported| reported.stats.clone()).unwrap_or_default()
    }

    /// Number of closed connections per reason, as echoctl printed them; empty for another server.
    pub(crate) fn endings(&self) -> BTreeMap<String, u64> {
        self.reported.lock().map(|reported| reported.endings.clone()).unwrap_or_default()
    }
}

impl Reported {
    fn note(&mut self, event: Value) {
        match event["event"].as_str() {
            Some("stats") => self.stats = event,
            Some("closed") => {
                let reason = event["reason"].as_str().unwrap_or_default();
                *self.endings.entry(reason.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }
}

/// Whether a program is in the PATH.
pub(crate) fn is_installed(name: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| Path::new(&folder).join(name).exists()))
}

/// The row of the same program measured a second time.
pub(crate) const AGAIN: &str = "echoctl (again)";

/// The I/O modes besides the default that are measured: each is a row of every table of servers.
const IO_MODES: &[&str] = &["threads", "uring"];

/// Longer than any server needs between accepting its last connection and touching its last page for it.
const SETTLED: Duration = Duration::from_millis(300);

/// Longer than the second after which servers return freed memory to the system.
const RETURNS_WITHIN: Duration = Duration::from_millis(1500);

/// Time limit for memory that never stops changing.
const SETTLES_WITHIN: Duration = Duration::from_secs(4);

const NODE: &str = "process.stdin.resume().on('end', () => process.exit());
require('net').createServer({ noDelay: true }, socket => { socket.pipe(socket); socket.on('error', () => {}); })
    .listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, function () { console.log(this.address().port); });";

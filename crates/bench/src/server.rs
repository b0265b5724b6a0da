//! Servers under test: echoctl and its peers, each a process of its own, on a port of the kernel's choice.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use echoctl_observe::Process;
use serde_json::Value;

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// They are built into the same folder as this one. Copies of them are measured, so that a build in the meantime changes
    /// nothing halfway.
    pub(crate) fn beside_this_one() -> Result<Programs> {
        let built = Programs::built()?;
        let programs = Programs::within(&built.path("measured"));
        fs::create_dir_all(&programs.folder).context("cannot make a folder for the programs")?;
        for name in ["echoctl", "echoctl-peer", "echoctl-cut"] {
            fs::copy(built.path(name), programs.path(name))
                .with_context(|| format!("cannot copy {name}, which `cargo xtask bench` builds"))?;
        }
        Ok(programs)
    }

    /// Those in a folder, as they are there.
    pub(crate) fn within(folder: &Path) -> Programs {
        Programs { folder: folder.to_owned() }
    }

    /// Those that stand beside this one, as they are: for who starts each but once.
    pub(crate) fn built() -> Result<Programs> {
        let own = env::current_exe().context("cannot tell where this program stands")?;
        Ok(Programs::within(own.parent().context("a program stands in a folder")?))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A server that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// As it is called in the tables.
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

    /// The same, which tells its `stats` ten times a second. That costs a look at each of its sockets.
    pub(crate) fn telling(name: impl Into<String>, options: &[&str]) -> Candidate {
        Candidate::echoctl(name, &[&["--stats-every", "100ms"], options].concat())
    }

    /// One of our own, see `bin/peer`.
    pub(crate) fn peer(name: &'static str) -> Candidate {
        Candidate { name: name.to_owned(), what: What::Peer(name) }
    }

    /// Echoctl twice, as the A/A row, and the peers that echo bytes without framing.
    pub(crate) fn raw(peers: &[&'static str]) -> Vec<Candidate> {
        let echoctl = |name: &str| Candidate::echoctl(name, &["--framing", "raw"]);
        let peers = peers.iter().map(|&name| Candidate::peer(name));
        [echoctl("echoctl"), echoctl(AGAIN)].into_iter().chain(peers).chain(Candidate::node()).collect()
    }

    /// Node's `socket.pipe(socket)`, where there is a Node.
    pub(crate) fn node() -> Option<Candidate> {
        is_installed("node").then(|| Candidate { name: "node".to_owned(), what: What::Node })
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&self, programs: &Programs) -> Result<Server> {
        let mut command = match &self.what {
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
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take().context("it was piped")?);
        let mut server = Server {
            process: Process::open(child.id())?,
            child,
            _input: input,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            told: Arc::default(),
        };
        server.listen(output).with_context(|| format!("starting {}", self.name))?;
        Ok(server)
    }
}

/// A server that runs. It ends when this is dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    process: Process,
    child: Child,
    /// Whoever started it is there as long as this is.
    _input: Option<ChildStdin>,
    told: Arc<Mutex<Told>>,
}

/// What echoctl has printed.
#[derive(Default)]
struct Told {
    /// Its last `stats`.
    stats: Value,
    /// How many connections have ended for each reason.
    endings: BTreeMap<String, u64>,
}

impl Server {
    /// Bytes of its anonymous memory.
    pub(crate) fn memory(&mut self) -> Result<u64> {
        Ok(self.process.memory().context("the server is gone")?.anonymous)
    }

    /// Bytes of its anonymous memory, once they have not changed for a while.
    pub(crate) fn settled_memory(&mut self) -> Result<u64> {
        self.memory_unchanged_for(SETTLED)
    }

    /// The same, with the patience that a server deserves which gives memory back every second or so.
    pub(crate) fn memory_given_back(&mut self) -> Result<u64> {
        self.memory_unchanged_for(GIVEN_BACK)
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

    /// Processor seconds that it has used, as user and in the kernel.
    pub(crate) fn processor_time(&self) -> Result<(f64, f64)> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in brackets, may itself contain spaces. Fields 14 and 15 of proc(5).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let seconds = |field: usize| -> Result<f64> {
            Ok(fields.get(field).context("the kernel's format has changed")?.parse::<f64>()? / TICKS)
        };
        Ok((seconds(11)?, seconds(12)?))
    }

    /// The `stats` that echoctl printed last; null for another server.
    pub(crate) fn stats(&self) -> Value {
        self.told.lock().map(|told| told.stats.clone()).unwrap_or_default()
    }

    /// Why connections have ended, as echoctl printed it: how many for each reason; nothing for another server.
    pub(crate) fn endings(&self) -> BTreeMap<String, u64> {
        self.told.lock().map(|told| told.endings.clone()).unwrap_or_default()
    }

    /// Files that it has open, sockets among them.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        self.entries("fd")
    }

    /// Its threads.
    pub(crate) fn threads(&self) -> Result<usize> {
        self.entries("task")
    }

    fn entries(&self, folder: &str) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/{folder}", self.child.id())).context("the server is gone")?.count())
    }

    fn listen(&mut self, output: ChildStdout) -> Result<()> {
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().context("it ended before it listened")??;
        match serde_json::from_str::<Value>(&first)? {
            Value::Number(port) => self.addr.set_port(u16::try_from(port.as_u64().unwrap_or(0))?),
            listening => self.addr = listening["addr"].as_str().context("no address")?.parse()?,
        }
        // Its output is read to the end: a server that cannot print would wait.
        let told = self.told.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let (Ok(event), Ok(mut told)) = (serde_json::from_str(&line), told.lock()) {
                    told.note(event);
                }
            }
        });
        Ok(())
    }
}

impl Told {
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

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program is in the path.
pub(crate) fn is_installed(name: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| Path::new(&folder).join(name).exists()))
}

/// The row of the same program measured a second time.
pub(crate) const AGAIN: &str = "echoctl (again)";

/// Longer than any server takes from the last connection that it accepts to the last page that it touches for it.
const SETTLED: Duration = Duration::from_millis(300);
const GIVEN_BACK: Duration = Duration::from_millis(1500);
const SETTLES_WITHIN: Duration = Duration::from_secs(4);

/// Of /proc, a second, on every architecture of Linux that Rust runs on.
const TICKS: f64 = 100.0;

const NODE: &str = "process.stdin.resume().on('end', () => process.exit());
require('net').createServer({ noDelay: true }, socket => { socket.pipe(socket); socket.on('error', () => {}); })
    .listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, function () { console.log(this.address().port); });";

//! The environment of a case: the program under test, its own directory, and ways to report findings.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Launch, Running, sys};

/// The environment of one case.
pub(crate) struct World {
    /// The `echoctl` under test.
    pub(crate) bin: PathBuf,
    folder: PathBuf,
}

impl World {
    /// An environment with an empty directory.
    pub(crate) fn new(bin: &Path, folder: &Path) -> World {
        World { bin: bin.to_owned(), folder: folder.to_owned() }
    }

    /// The case's directory, which is removed on drop.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in the case's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file into the case's directory.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<String> {
        let path = self.path(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// `echoctl` with arguments, to be started in the case's directory.
    pub(crate) fn echoctl(&self, arguments: &[&str]) -> Launch {
        Launch::new(&self.bin, self.folder()).args(arguments)
    }

    /// One of the misbehaving programs of `peer`, to be started in the case's directory.
    pub(crate) fn peer(&self, arguments: &[&str]) -> Result<Launch> {
        Ok(Launch::new(&own_program()?, self.folder()).args(&["__peer"]).args(arguments))
    }

    /// Starts a misbehaving server on `addr` and waits until it has printed its address.
    pub(crate) fn start_peer(&self, mode: &str, addr: &str) -> Result<(Running, String)> {
        let peer = self.peer(&[mode, addr])?.start()?;
        let addr = peer.await_text("listening on ", STARTING)?;
        Ok((peer, addr))
    }

    /// Starts `echoctl serve` at a free port and waits until it listens.
    pub(crate) fn serve(&self, options: &[&str]) -> Result<(Running, String)> {
        self.started(self.echoctl(&["serve", "--addr", "127.0.0.1:0"]).args(options))
    }

    /// Starts a server that prints `listening on ADDR`, and waits until it does.
    pub(crate) fn started(&self, launch: Launch) -> Result<(Running, String)> {
        let server = launch.start()?;
        let addr = server.await_text("listening on ", STARTING)?;
        Ok((server, addr.trim_end_matches([':', ',']).to_owned()))
    }

    /// A record of a short run, as `flood --record` writes it.
    pub(crate) fn record(&self) -> Result<Value> {
        let (_server, addr) = self.serve(&[])?;
        let flood = ["flood", &addr, "--bytes", "1MiB", "--plain", "--record", "made.json"];
        let ended = self.echoctl(&flood).run(Duration::from_secs(30))?;
        ensure!(ended.code == Some(0), "a plain flood did not succeed: {ended}");
        let text = fs::read_to_string(self.path("made.json")).context("cannot read the record just made")?;
        serde_json::from_str(&text).context("the new record is not valid JSON")
    }
}

/// This program, which also contains all the misbehaving programs.
pub(crate) fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's path")
}

/// Collects the findings of several tries of one case, so that all are reported and not only the first.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    /// Adds the result of one try.
    pub(crate) fn add(&mut self, what: impl fmt::Display, result: Result<()>) {
        if let Err(error) = result {
            self.0.push(format!("{what}: {error:#}"));
        }
    }

    /// Tries all of `items`, several at a time: most tries spend their time waiting.
    pub(crate) fn each<T: Sync>(
        &mut self,
        items: &[T],
        name: impl Fn(&T) -> String,
        try_it: impl Fn(&T) -> Result<()> + Sync,
    ) {
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..PARALLEL_TRIES.min(items.len()) {
                // A thread has the same namespaces as the one that starts it.
                scope.spawn(|| {
                    while let Some((number, item)) = {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        items.get(number).map(|item| (number, item))
                    } {
                        if let Err(error) = try_it(item) {
                            found.lock().unwrap_or_else(PoisonError::into_inner).push((number, error));
                        }
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|(number, _)| *number);
        for (number, error) in found {
            self.add(name(&items[number]), Err(error));
        }
    }

    /// The result of the case.
    ///
    /// # Errors
    /// The findings, if there are any.
    pub(crate) fn verdict(self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            found => {
                let shown: Vec<String> = self.0.iter().take(SHOWN).map(|finding| one_line(finding)).collect();
                let more = if found > SHOWN { "\n  …" } else { "" };
                bail!("{found} findings:\n  {}{more}", shown.join("\n  "))
            }
        }
    }
}

/// A finding as one line of limited length.
fn one_line(finding: &str) -> String {
    finding.replace('\n', " ").chars().take(WIDEST).collect()
}

/// Number of tries of one case that run at the same time.
const PARALLEL_TRIES: usize = 6;

/// Maximum number of findings shown per case: enough to see what they have in common.
const SHOWN: usize = 6;

/// Maximum number of characters shown per finding.
const WIDEST: usize = 700;

/// Why a case cannot run here.
#[derive(Debug)]
pub(crate) struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// The error that skips a case.
pub(crate) fn skip(reason: impl fmt::Display) -> anyhow::Error {
    Skip(reason.to_string()).into()
}

/// Skips a case that needs root.
pub(crate) fn need_root() -> Result<()> {
    if sys::is_root() { Ok(()) } else { Err(skip("needs root")) }
}

/// Maximum time for a server to start on a busy machine, in the debug build.
pub(crate) const STARTING: Duration = Duration::from_secs(20);

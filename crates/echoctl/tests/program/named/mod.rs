//! Processes under names that no other process has: copies of perl.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use echoctl_testkit::Running;

/// A folder with a program whose name is unique to this test.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    pub(crate) name: String,
}

impl Program {
    /// `name` gets a number that no other run of the tests has at the same time.
    pub(crate) fn named(name: &str) -> Program {
        let (folder, name) = (tempfile::tempdir().unwrap(), format!("{name}{}", std::process::id()));
        let path = std::env::var_os("PATH").unwrap();
        let perl = std::env::split_paths(&path).map(|folder| folder.join("perl")).find(|file| file.exists());
        // Copied by another process: a child of another test would inherit the file open for writing, and could not be run then.
        let copied =
            Command::new("cp").arg(perl.expect("perl is there")).arg(folder.path().join(&name)).status();
        assert!(copied.unwrap().success());
        Program { folder, name }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Starts a process that runs `script` and then waits, and returns it with the line that it prints.
    pub(crate) fn start(&self, script: &str) -> (Running, String) {
        start(&self.path(), script)
    }
}

/// Starts a process of this perl that runs `script` and then waits, and returns it with the line that it prints.
pub(crate) fn start(program: &Path, script: &str) -> (Running, String) {
    let script = format!("use Socket; $| = 1; {script}; <STDIN>");
    let mut command = Command::new(program);
    command.args(["-e", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running::start(&mut command);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (running, line.trim_end().to_owned())
}

/// Listens on a free port of loopback, and prints it.
pub(crate) const LISTEN: &str = "socket(my $s, PF_INET, SOCK_STREAM, 0); bind($s, sockaddr_in(0, INADDR_LOOPBACK)); \
    listen($s, 5); print +(sockaddr_in(getsockname($s)))[0], \"\\n\"";

//! Files count by what a process has added to them while it has them open for writing.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use echoctl_observe::{FileGrowth, Process};
use echoctl_testkit::{Running, eventually};

#[test]
fn a_deleted_file_counts_while_it_is_open() {
    let mut shell = Shell::start("deleted");
    let mut growth = FileGrowth::new([&shell.process]);

    shell.run("exec 3>spool; rm spool; head -c 1048576 /dev/urandom >&3");
    assert_grew(growth.update([&shell.process]), 1);
    shell.run("head -c 1048576 /dev/urandom >&3");
    assert_grew(growth.update([&shell.process]), 2);

    shell.run("exec 3>&-; exec 3>another");
    assert_grew(growth.update([&shell.process]), 2);
}

#[test]
fn what_was_in_a_file_before_does_not_count() {
    let mut shell = Shell::start("before");
    shell.run("head -c 4194304 /dev/urandom | tee closed >open; exec 3>>open");
    let created = fs::metadata(shell.folder.join("closed")).unwrap().created();
    if let Ok(created) = created {
        // A file that is as old as the clock's step counts as new.
        eventually("it is older", || created.elapsed().is_ok_and(|age| age > Duration::from_millis(50)));
    }
    let mut growth = FileGrowth::new([&shell.process]);

    shell.run("head -c 1048576 /dev/urandom >&3");
    assert_grew(growth.update([&shell.process]), 1);

    if created.is_ok() {
        shell.run("exec 4>>closed");
        assert_grew(growth.update([&shell.process]), 1);
        shell.run("head -c 1048576 /dev/urandom >&4");
        assert_grew(growth.update([&shell.process]), 2);
    }
}

#[test]
fn a_file_that_is_only_read_does_not_count() {
    let mut shell = Shell::start("read");
    let mut growth = FileGrowth::new([&shell.process]);

    shell.run("head -c 4194304 /dev/urandom >content; exec 3<content");

    assert_grew(growth.update([&shell.process]), 0);
}

/// Checks a growth in MiB, to which a file system adds some blocks of its own.
#[track_caller]
fn assert_grew(growth: Option<u64>, mebibytes: u64) {
    let growth = growth.expect("the files of a child are visible");
    assert!((mebibytes << 20..(mebibytes << 20) + (512 << 10)).contains(&growth), "{growth}");
}

/// A shell with a folder of its own, which runs commands.
struct Shell {
    process: Process,
    folder: PathBuf,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _running: Running,
}

impl Shell {
    fn start(name: &str) -> Shell {
        let folder = std::env::temp_dir().join(format!("echoctl-growth-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let mut command = Command::new("sh");
        command.current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command);
        let process = Process::open(running.pid()).unwrap();
        let (input, output) = (running.0.stdin.take().unwrap(), running.0.stdout.take().unwrap());
        Shell { process, folder, input, output: BufReader::new(output), _running: running }
    }

    /// Runs a command to its end.
    #[track_caller]
    fn run(&mut self, command: &str) {
        writeln!(self.input, "{command}; echo done").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "{command}");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

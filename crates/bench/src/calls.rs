//! Counts the system calls of a server: with `perf` where the kernel lets it, otherwise with `strace`.
//!
//! `perf` counts the tracepoint that each system call passes, in the kernel, and slows the server down by a few per cent. It needs root,
//! or `kernel.perf_event_paranoid` at -1 and a readable tracefs. `strace` works for every user, but stops the server twice per
//! call: the slower server finds more work waiting each time, and needs fewer calls for it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::load::{connect, echo_each};
use crate::server::{Candidate, Programs, is_installed};

/// A program that counts system calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Perf,
    Strace,
}

impl Counter {
    /// The better one of those that work here.
    pub(crate) fn find() -> Result<Counter> {
        let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        if works(Command::new("perf").args(["stat", "-e", EVENT, "true"])) {
            Ok(Counter::Perf)
        } else if is_installed("strace") {
            Ok(Counter::Strace)
        } else {
            bail!("cannot count system calls: perf may not, and strace is not installed")
        }
    }

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Counter::Perf => "perf",
            Counter::Strace => "strace",
        }
    }

    /// System calls of a server per echo. `exchange` sends frames over these connections, and returns how many came back.
    pub(crate) fn per_echo(
        self,
        candidate: &Candidate,
        programs: &Programs,
        connections: usize,
        exchange: impl Fn(&[TcpStream]) -> Result<u64>,
    ) -> Result<f64> {
        match self {
            Counter::Perf => {
                let server = candidate.start(programs)?;
                let streams = connect(server.addr, connections)?;
                let mut perf = Perf::attach(server.process.pid())?;
                perf.command("enable")?;
                let echoes = exchange(&streams)?;
                perf.command("disable")?;
                Ok(perf.total()? as f64 / echoes as f64)
            }
            Counter::Strace => {
                // It counts from start to end. What a server needs to start, to accept and to end is the same in a life with no more
                // than the first echoes.
                let (calm, _) = traced_life(candidate, programs, connections, |_| Ok(0))?;
                let (busy, echoes) = traced_life(candidate, programs, connections, exchange)?;
                Ok(busy.saturating_sub(calm) as f64 / echoes as f64)
            }
        }
    }
}

/// A `perf stat` that is attached to a process and waits for commands.
struct Perf {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Perf {
    fn attach(pid: u32) -> Result<Perf> {
        let mut command = Command::new("perf");
        // Commands on its stdin, answers on its stdout, the count on its stderr. It begins disabled.
        command.args(["stat", "--control", "fd:0,1", "--delay", "-1", "--field-separator", ","]);
        command.args(["--event", EVENT, "--pid", &pid.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start perf")?;
        let commands = child.stdin.take().context("perf has no stdin")?;
        let answers = BufReader::new(child.stdout.take().context("perf has no stdout")?);
        Ok(Perf { child, commands, answers })
    }

    /// Returns once perf has done it.
    fn command(&mut self, command: &str) -> Result<()> {
        writeln!(self.commands, "{command}").context("perf has ended")?;
        let mut answer = Vec::new();
        self.answers.read_until(b'\n', &mut answer)?;
        ensure!(answer.ends_with(b"ack\n"), "perf did not {command}: {}", self.printed()?);
        Ok(())
    }

    /// The number of calls counted.
    fn total(mut self) -> Result<u64> {
        interrupt(&mut self.child)?;
        let printed = self.printed()?;
        let count = printed.lines().find(|line| line.contains(EVENT)).and_then(|line| line.split(',').next());
        count.and_then(|count| count.parse().ok()).with_context(|| format!("perf has no count: {printed}"))
    }

    /// What it has printed on stderr by its end.
    fn printed(&mut self) -> Result<String> {
        let mut printed = String::new();
        self.child.stderr.take().context("perf's output was read already")?.read_to_string(&mut printed)?;
        Ok(printed.trim().to_owned())
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends a program as Ctrl-C does: perf then prints its count.
#[cfg(target_os = "linux")]
pub(crate) fn interrupt(child: &mut Child) -> Result<()> {
    use rustix::process::{Pid, Signal, kill_process};

    kill_process(Pid::from_child(child), Signal::INT).context("cannot interrupt it")
}

/// Elsewhere there is no perf, and no signal.
#[cfg(not(target_os = "linux"))]
pub(crate) fn interrupt(child: &mut Child) -> Result<()> {
    child.kill().context("cannot interrupt it")
}

/// The number of system calls in a server's whole life, with one echo per connection and then `exchange`, and what `exchange` returned.
fn traced_life(
    candidate: &Candidate,
    programs: &Programs,
    connections: usize,
    exchange: impl Fn(&[TcpStream]) -> Result<u64>,
) -> Result<(u64, u64)> {
    let file = std::env::temp_dir().join(format!("echoctl-bench-calls-{}", std::process::id()));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(&file);
    let server = candidate.start_under(strace, programs)?;
    let streams = connect(server.addr, connections)?;
    // Now it has accepted all of them.
    echo_each(&streams, &[b'x'; 64])?;
    let exchanged = exchange(&streams)?;
    drop((streams, server));
    let table = fs::read_to_string(&file).context("strace has written no table")?;
    // A leftover is one small temporary file.
    let _ = fs::remove_file(&file);
    Ok((sum_of_calls(&table).context("strace's table has no rows")?, exchanged))
}

/// The sum over the rows of the table that `strace -c` prints: `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn sum_of_calls(table: &str) -> Option<u64> {
    let rows = table.lines().filter(|line| !line.ends_with(" total"));
    let counts: Vec<u64> = rows.filter_map(|line| line.split_whitespace().nth(3)?.parse().ok()).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// The tracepoint at the start of each system call.
const EVENT: &str = "raw_syscalls:sys_enter";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_table_are_summed() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           3       100         1 recvfrom
 40.00    0.000200           2       101           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500           2       201         1 total
";
        assert_eq!(sum_of_calls(table), Some(201));
        assert_eq!(sum_of_calls(""), None);
    }
}

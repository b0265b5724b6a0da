//! `unbounded`: find the unbounded queue. The learner sees the code of four small servers and guesses; then the audit
//! attacks each, in a process of its own, and its verdict tells.

mod servers;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use echoctl_audit::{AuditConfig, Payload, Preset, Script, Stimulus};
use echoctl_observe::start_thread;
use echoctl_record::{Bytes, Verdict};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ChildServer;
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, spawn};
use servers::Candidate;

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "unbounded",
    idea: "find the queue without a limit: four servers, your guess",
    question: Question {
        text: "The audit sends lines of 1 KiB to each of the four servers above, as fast as they are taken, and does not \
               read the replies. The memory of one of them grows without end. Which one?",
        choices: &["server a", "server b", "server c", "server d"],
    },
    code: Code {
        source: include_str!("servers.rs"),
        node: Some(
            "// the same mistake: nobody waits for what the handler has begun\n\
             socket.on('data', async data => { await write(socket, reply(data)); });\n\n\
             // a queue that nobody sees: socket.write() keeps in memory what the kernel does not take\n\
             socket.on('data', data => socket.write(data));",
        ),
    },
    next: &[
        ("echoctl audit -- node server.js", "the same verdict on a server of yours, which listens at $PORT"),
        (
            "echoctl audit 127.0.0.1:PORT --request x --repeat",
            "a line without an end, against a server that runs",
        ),
        ("echoctl lesson race", "the same mistake, seen by the order of the replies"),
    ],
    before: Some(listings),
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// By letter.
    verdicts: Map<String, Value>,
    culprit: char,
    servers: Map<String, Value>,
    /// The most that each server's memory grew, in bytes.
    growth: Map<String, Value>,
    /// The verdict on the server that reads whole lines, when a line has no end.
    endless_line: Verdict,
    endless_line_server: char,
}

/// Runs a candidate until its standard input ends: what the lesson starts as a child. `listening` is told where.
///
/// # Errors
/// When there is no candidate of this name, or it cannot listen.
pub fn serve_candidate(name: &str, listening: impl FnOnce(SocketAddr) -> io::Result<()>) -> io::Result<()> {
    let Some(candidate) = Candidate::find(name) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("no server is called '{name}'")));
    };
    // One thread, so that what one server needs is the same on every machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    start_thread("stdin", move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(stop);
    })
    .map_err(io::Error::other)?;
    runtime.block_on(servers::serve(candidate, listening, stopped))
}

/// The servers by letter, in the order of this run.
fn lettered(setting: &Setting) -> Vec<(char, Candidate)> {
    let mut order = Candidate::ALL;
    // Fisher and Yates, with a seed of the caller: answers submission on to the next class are of no use.
    let mut random = setting.seed;
    for last in (1..order.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (random >> 33) as usize % (last + 1));
    }
    ('a'..).zip(order).collect()
}

/// The code of all four, to be read before the question.
fn listings(setting: &Setting) -> String {
    lettered(setting)
        .iter()
        .map(|(letter, candidate)| candidate.listing(*letter))
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    let servers = lettered(setting);
    let lines = Preset::Echo.script("127.0.0.1");
    let endless = Script::new(Stimulus::repeat("a line without an end", Payload::text("x".repeat(4096))));
    // All at once, and each waited for only when all run: where one cannot begin, none is waited for.
    let begin = |candidate, script| {
        let program = setting.program.clone();
        spawn(move || attack(&program, candidate, script))
    };
    let mut attacks = Vec::new();
    for (letter, candidate) in servers {
        // Sabotage: the culprit is replaced by a server that waits.
        let culprit = candidate == Candidate::Spawned && setting.sabotage;
        let runs = if culprit { Candidate::Pieces } else { candidate };
        attacks.push((letter, candidate, begin(runs, lines.clone())?));
    }
    let endless = begin(Candidate::Lines, endless)?;
    let found: Result<Vec<Found>, LessonError> = attacks
        .into_iter()
        .map(|(letter, candidate, attack)| {
            let (verdict, growth) = joined(attack)?;
            Ok(Found { letter, candidate, verdict, growth })
        })
        .collect();
    let endless_line = joined(endless);
    Ok(finding(&found?, endless_line?.0))
}

/// A server and what the audit found.
struct Found {
    letter: char,
    candidate: Candidate,
    verdict: Verdict,
    growth: u64,
}

/// Starts a server and audits it. Returns the verdict, and the most by which its memory grew.
fn attack(program: &Path, candidate: Candidate, script: Script) -> Result<(Verdict, u64), LessonError> {
    let mut server = ChildServer::start_lesson(program, &["unbounded", "--candidate", candidate.name()])?;
    let pids = vec![server.pid()];
    let config = AuditConfig {
        budget: BUDGET,
        rate: RATE,
        max_duration: MAX_DURATION,
        pids,
        ..AuditConfig::new(server.addr(), script)
    };
    let outcome = config
        .attack(&AtomicBool::new(false), &mut |_| {})
        .map_err(|error| LessonError::Part(format!("the audit of a server: {error}")))?;
    server.check()?;
    let memory = || outcome.samples.iter().filter_map(|sample| sample.server_memory);
    let growth = memory().max().zip(memory().next()).map_or(0, |(most, first)| most.saturating_sub(first));
    Ok((outcome.judgement.verdict, growth))
}

fn joined<T>(attack: JoinHandle<Result<T, LessonError>>) -> Result<T, LessonError> {
    attack.join().map_err(|_| LessonError::Part("an audit failed".to_owned()))?
}

fn finding(found: &[Found], endless_line: Verdict) -> Finding {
    let letter_of =
        |wanted| found.iter().find(|found| found.candidate == wanted).map_or('?', |found| found.letter);
    let map = |value: fn(&Found) -> Value| found.iter().map(|f| (f.letter.to_string(), value(f))).collect();
    let e = Evidence {
        verdicts: map(|found| found.verdict.name().into()),
        culprit: letter_of(Candidate::Spawned),
        servers: map(|found| found.candidate.name().into()),
        growth: map(|found| found.growth.into()),
        endless_line,
        endless_line_server: letter_of(Candidate::Lines),
    };
    let unbounded: Vec<char> =
        found.iter().filter(|found| found.verdict == Verdict::Unbounded).map(|found| found.letter).collect();
    let growth = |wanted| {
        let growth = found.iter().find(|found| found.candidate == wanted).map_or(0, |found| found.growth);
        Bytes(growth).to_string()
    };
    let why = |candidate| match candidate {
        Candidate::Pieces => "awaits each write",
        Candidate::Lines => "awaits each write",
        Candidate::Counted => "a queue of 1000 lines",
        Candidate::Spawned => "a task for each line",
    };
    let table =
        found.iter().fold(Table::new(["server", "how", "verdict", "memory grew by"]), |table, found| {
            let name = format!("{}", found.letter);
            table.row([&name, why(found.candidate), found.verdict.name(), &Bytes(found.growth).to_string()])
        });
    let (pieces, lines, counted) =
        (letter_of(Candidate::Pieces), letter_of(Candidate::Lines), letter_of(Candidate::Counted));
    let finding = Finding::new(&e)
        .table(table)
        .explain(format!(
            "Server {} grew by {}. It awaits every write, but in a task of its own for each line, and nobody awaits the \
             tasks: the loop reads on at once. The tasks that wait for the writer are the queue, one that no line of the \
             code calls a queue, and it has no limit.",
            e.culprit,
            growth(Candidate::Spawned),
        ))
        .explain(format!(
            "Servers {pieces} and {lines} read again when the last write is complete: nothing can pile up, they grew by {} \
             and {}. Server {counted} has a queue, and it grew by {}: with 1000 lines in it, queue.send waits, and the loop \
             does not read.",
            growth(Candidate::Pieces),
            growth(Candidate::Lines),
            growth(Candidate::Counted),
        ))
        .explain(format!(
            "But 1000 lines are not a number of bytes: with lines of 1 MiB the same queue holds 1 GiB. Bound bytes, not \
             messages. And a line need not end at all: sent bytes without a newline, server {lines} was found {}. It \
             collects the line before it answers. A verdict holds for what was sent; so audit with what your peers can \
             send, not only with what they should.",
            e.endless_line.name(),
        ))
        .claim(
            "exactly one of the four is unbounded, and it is the one that nobody waits for",
            unbounded == [e.culprit],
            found.iter().map(|f| format!("{}: {}", f.letter, f.verdict)).collect::<Vec<_>>().join(", "),
        )
        .claim(
            "a line without an end makes a bounded server unbounded",
            e.endless_line == Verdict::Unbounded,
            e.endless_line.name(),
        );
    match unbounded[..] {
        [letter] => finding.measured(letter),
        _ => finding,
    }
}

/// Input that is enough to call a server unbounded: about twice what the kernel's queues hold here.
const BUDGET: u64 = 80 << 20;

/// Bytes of memory that must be left: two of the five servers keep what they take, until the audit stops at a quarter of
/// what is left.
const MEMORY: u64 = 2 * BUDGET;

/// Bytes a second for each of five servers at once.
const RATE: u64 = 40 << 20;

/// An audit takes about 4 s here; one that takes so long ends without a verdict.
const MAX_DURATION: Duration = Duration::from_secs(12);

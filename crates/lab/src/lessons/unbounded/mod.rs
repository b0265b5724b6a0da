//! `unbounded`: find the unbounded queue. The learner sees the code of four small servers and guesses; then the audit
//! attacks each one in a process of its own and reports a verdict.

mod servers;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use echoctl_audit::{AuditConfig, Payload, Preset, Script, Stimulus};
use echoctl_record::{Bytes, Verdict};
use echoctl_report::Table;
use echoctl_trial::ChildServer;
use serde_json::{Map, Value, json};

use crate::kit::{Code, Finding, Language, Lesson, LessonError, Question, Setting, join, spawn};
pub(super) use servers::Candidate;

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "unbounded",
    idea: "find the unbounded queue: four servers, your guess",
    question: Question {
        text: "echoctl audit, a client that does not read, sends lines of 1 KiB to each of the four servers above, as fast \
               as they accept them. With these lines the memory of one server grows without limit. Which one?",
        choices: &["server a", "server b", "server c", "server d"],
    },
    code: Code {
        source: include_str!("servers.rs"),
        node: Some(
            "// the same mistake: no code awaits the async handler\n\
             socket.on('data', async data => { await write(socket, reply(data)); });\n\n\
             // a hidden queue: socket.write() buffers in memory what the kernel does not accept\n\
             socket.on('data', data => socket.write(data));",
        ),
    },
    next: &[
        ("echoctl audit -- node server.js", "the same test for a server of yours that listens on $PORT"),
        (
            "echoctl audit 127.0.0.1:PORT --request x --repeat",
            "an endless line, against a server that is already running",
        ),
        ("echoctl lesson race", "the same mistake, visible in the order of the replies"),
    ],
    before: Some(listings),
    run,
};

/// The servers by letter, in the order of this run.
fn lettered(setting: &Setting) -> Vec<(char, Candidate)> {
    let mut order = Candidate::ALL;
    // Fisher-Yates shuffle with the caller's seed, so that answers from another run do not help.
    let mut random = setting.seed;
    for last in (1..order.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (random >> 33) as usize % (last + 1));
    }
    ('a'..).zip(order).collect()
}

/// The code of all four servers, printed before the question.
fn listings(setting: &Setting, language: Language) -> String {
    lettered(setting)
        .iter()
        .map(|(letter, candidate)| candidate.listing(*letter, language))
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    let servers = lettered(setting);
    let lines = Preset::Echo.script("127.0.0.1");
    let endless = Script::new(Stimulus::repeat("a line without an end", Payload::text("x".repeat(4096))));
    // Start all attacks before waiting for the first: if one cannot start, none is waited for.
    let begin = |candidate, script| {
        let program = setting.program.clone();
        spawn(move || attack(&program, candidate, script))
    };
    let mut attacks = Vec::new();
    for (letter, candidate) in servers {
        // Sabotage: the culprit is replaced by a server that awaits its writes.
        let culprit = candidate == Candidate::Spawned && setting.sabotage;
        let runs = if culprit { Candidate::Pieces } else { candidate };
        attacks.push((letter, candidate, begin(runs, lines.clone())?));
    }
    let endless = begin(Candidate::Lines, endless)?;
    let found: Result<Vec<Found>, LessonError> = attacks
        .into_iter()
        .map(|(letter, candidate, attack)| Ok(Found { letter, candidate, audit: join(attack)?? }))
        .collect();
    let endless_line = join(endless).flatten();
    Ok(finding(&found?, endless_line?.verdict))
}

/// A server and the result of its audit.
struct Found {
    letter: char,
    candidate: Candidate,
    audit: Audited,
}

/// The result of an audit.
struct Audited {
    verdict: Verdict,
    /// Maximum growth of the server's memory.
    growth: u64,
    /// Maximum memory of the kernels for the connection, where it is visible.
    kernel_memory: Option<u64>,
}

/// Starts a server and audits it.
fn attack(program: &Path, candidate: Candidate, script: Script) -> Result<Audited, LessonError> {
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
        .map_err(|error| LessonError::Part(format!("audit one of the servers: {error}")))?;
    server.check()?;
    let memory = || outcome.samples.iter().filter_map(|sample| sample.server_memory);
    let growth = memory().max().zip(memory().next()).map_or(0, |(most, first)| most.saturating_sub(first));
    let kernel_memory = outcome.samples.iter().filter_map(|sample| sample.kernel_memory).max();
    Ok(Audited { verdict: outcome.judgement.verdict, growth, kernel_memory })
}

fn finding(found: &[Found], endless_line: Verdict) -> Finding {
    let letter_of =
        |wanted| found.iter().find(|found| found.candidate == wanted).map_or('?', |found| found.letter);
    let map = |value: fn(&Found) -> Value| -> Map<String, Value> {
        found.iter().map(|f| (f.letter.to_string(), value(f))).collect()
    };
    let culprit = letter_of(Candidate::Spawned);
    // By letter; growth is the maximum of each server's memory, in bytes.
    let evidence = json!({
        "verdicts": map(|found| found.audit.verdict.name().into()),
        "culprit": culprit,
        "servers": map(|found| found.candidate.name().into()),
        "growth": map(|found| found.audit.growth.into()),
        "endless_line": endless_line,
        "endless_line_server": letter_of(Candidate::Lines),
    });
    let unbounded: Vec<char> = found
        .iter()
        .filter(|found| found.audit.verdict == Verdict::Unbounded)
        .map(|found| found.letter)
        .collect();
    let only = unbounded.first().copied().filter(|_| unbounded.len() == 1);
    let audit_of = |wanted| found.iter().find(|found| found.candidate == wanted).map(|found| &found.audit);
    let growth = |wanted| Bytes(audit_of(wanted).map_or(0, |audit| audit.growth)).to_string();
    let why = |candidate| match candidate {
        Candidate::Pieces | Candidate::Lines => "awaits each write",
        Candidate::Counted => "a queue of 1000 lines",
        Candidate::Spawned => "one task per line",
    };
    let table = found.iter().fold(
        Table::new("", ["server", "method", "verdict", "memory grew by"]),
        |table, found| {
            let name = format!("{}", found.letter);
            let Audited { verdict, growth, .. } = found.audit;
            table.row([&name, why(found.candidate), verdict.name(), &Bytes(growth).to_string()])
        },
    );
    let (pieces, lines, counted) =
        (letter_of(Candidate::Pieces), letter_of(Candidate::Lines), letter_of(Candidate::Counted));
    Finding::new(&evidence)
        .table(table)
        .explain("In short: a task per message is a queue, and a queue needs a limit in bytes.")
        .explain(format!(
            "Server {} grew by {}. It awaits every write, but in a separate task for each line, and it does not await the \
             tasks. So its loop reads the next line immediately. The tasks that wait for the writer are the queue. The code \
             does not call it a queue, and it has no limit.",
            culprit,
            growth(Candidate::Spawned),
        ))
        .explain(format!(
            "Servers {pieces} and {lines} read again only when the last write has completed, so with complete lines \
             nothing can accumulate: {pieces} grew by {}, and {lines} by {}. Server {counted} has a queue with a limit, and grew by {}. \
             When the queue holds 1000 lines, queue.send waits, and the loop does not read.",
            growth(Candidate::Pieces),
            growth(Candidate::Lines),
            growth(Candidate::Counted),
        ))
        .explain(format!(
            "But a number of lines is not a number of bytes: with lines of 1 MiB the same queue holds 1000 MiB. Limit bytes, not \
             messages. Also, a line may never end. With an endless line, the verdict on server {lines} was {}, because it \
             buffers the line until it is complete. A verdict covers only the input tested: test with what peers can send, not \
             just what they should.",
            endless_line.name(),
        ))
        .explain(format!("{VERDICTS}{}", bound_of_many(pieces, audit_of(Candidate::Pieces))))
        .claim(
            "only the server that does not await its tasks is unbounded",
            unbounded == [culprit],
            found.iter().map(|f| format!("{}: {}", f.letter, f.audit.verdict)).collect::<Vec<_>>().join(", "),
        )
        .claim(
            "an endless line makes a bounded server unbounded",
            endless_line == Verdict::Unbounded,
            endless_line.name(),
        )
        .measured(only)
}

/// What a limit per connection is worth: that of the kernels, of a server that buffers nothing itself. Empty where it is not visible.
fn bound_of_many(letter: char, audited: Option<&Audited>) -> String {
    let Some(each) = audited.and_then(|audit| audit.kernel_memory) else { return String::new() };
    format!(
        " But bounded is not free: the kernel used {} of memory for the client of server {letter}, so 1,000 such clients would use {}. \
         Limit the number of connections, and the time that one may stall.",
        Bytes(each),
        Bytes(each.saturating_mul(1000))
    )
}

/// The verdicts of an audit that a server of one's own may get, and what each looks like.
const VERDICTS: &str = "An audit of a server of yours usually ends with one of four verdicts. Unbounded: the memory grows \
    with every byte sent, and the client never has to wait. Bounded: memory grows to a limit and stays there, and the client's writes \
    block. Disconnects: the server closes the connection of a client that does not read. Discards: memory stays flat, the client never \
    has to wait, and replies are missing. Unbounded and discards are faults, and so is starves (another client has to wait); bounded and \
    disconnects are safe, as long as the number of connections has a limit.";

/// Bytes of input after which growth is suspected. An audit then goes on to four times as much, to see that there is no limit: several
/// times the kernel buffering of these connections.
const BUDGET: u64 = 12 << 20;

/// Bytes of memory that must be available. Two of the five servers buffer their whole input, one of them with a task per line: 14 times
/// the budget, until the audit stops at a quarter of the memory available.
const MEMORY: u64 = 14 * BUDGET;

/// Bytes per second for each of five servers.
const RATE: u64 = 40 << 20;

/// Time limit of an audit, which takes about 4 s: one that takes longer has no verdict.
const MAX_DURATION: Duration = Duration::from_secs(25);

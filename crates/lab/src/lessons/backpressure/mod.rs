//! `backpressure`: the same work against three echo servers. One reads on whatever happens, one awaits each write, one uses
//! a blocking thread a connection. Then a reader that is slow instead of stopped.

#[cfg(test)]
mod loops;
mod side;

use std::time::Duration;

use echoctl_client::Reading;
use echoctl_record::Bytes;
use echoctl_report::{Chart, Ink, Series, Stroke, Unit};
use serde::Serialize;

use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};
use side::{Measurements, Side, watch};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "backpressure",
    idea: "off, await and threads: who holds the bytes when a reader stops",
    question: Question {
        text: "A client sends 32 MiB a second to an echo server and reads the replies. After a second it stops reading, tries \
               to send on, and after two more seconds reads again. The server waits for each write before it reads again. \
               What happens while the client does not read?",
        choices: &[
            "the server's memory grows, but slowly",
            "replies are lost",
            "the client's sending is held back, and nothing is lost",
        ],
    },
    code: Code {
        source: include_str!("loops.rs"),
        node: Some(
            "// off\n\
             socket.on('data', data => socket.write(data));\n\n\
             // on\n\
             while (true) {\n    \
                 const data = await soRead(conn);\n    \
                 if (data.length === 0) break;\n    \
                 await soWrite(conn, data);\n\
             }",
        ),
    },
    next: &[
        ("echoctl demo", "the same, larger, live, with a picture to keep"),
        ("echoctl lesson pause", "the third way: a queue with two marks"),
        ("echoctl audit 127.0.0.1:PORT", "does your own server do it? This is the test"),
        ("yes | sleep 5", "backpressure without TCP: a pipe holds 64 KiB, then yes waits"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Sent by each client, and wanted back.
    total: u64,
    off_growth: u64,
    on_growth: u64,
    threads_growth: u64,
    off_verified: u64,
    on_verified: u64,
    threads_verified: u64,
    /// The most that was sent and not yet read back, by server.
    off_pending: u64,
    on_pending: u64,
    on_held_back_seconds: f64,
    /// The reader reads slowly for two seconds, and never stops.
    slow_off_growth: u64,
    slow_on_growth: u64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    let runtime = echoctl_server::runtime(Some(2)).map_err(|error| match error {
        echoctl_server::Error::Start { source, .. } => echoctl_observe::Error::NoThread(source).into(),
        error => LessonError::Part(error.to_string()),
    })?;
    runtime.block_on(async {
        let program = &setting.program;
        // Sabotage: the bug is left out.
        let bug: &[&str] = if setting.sabotage { ON } else { OFF };
        let (off, on) = (Side::start(program, bug, STOPS).await?, Side::start(program, ON, STOPS).await?);
        let threads = Side::start(program, THREADS, STOPS).await?;
        let [off, on, threads] = watch([off, on, threads], None).await?;

        let slow = [Side::start(program, bug, SLOW).await?, Side::start(program, ON, SLOW).await?];
        let [slow_off, slow_on] = watch(slow, Some(STOP)).await?;
        Ok(finding(&off, &on, &threads, [&slow_off, &slow_on]))
    })
}

fn finding(
    off: &Measurements,
    on: &Measurements,
    threads: &Measurements,
    [slow_off, slow_on]: [&Measurements; 2],
) -> Finding {
    let e = Evidence {
        total: TOTAL,
        off_growth: off.growth,
        on_growth: on.growth,
        threads_growth: threads.growth,
        off_verified: off.verified,
        on_verified: on.verified,
        threads_verified: threads.verified,
        off_pending: off.pending,
        on_pending: on.pending,
        on_held_back_seconds: on.held_back,
        slow_off_growth: slow_off.growth,
        slow_on_growth: slow_on.growth,
    };
    let end = off.memory.last().map_or(0.0, |&(t, _)| t);
    let (stops, again) = (READ.as_secs_f64(), (READ + STOP).as_secs_f64());
    let chart = Chart::lines("Growth of the server's memory", Unit::Bytes)
        .describe("Without backpressure it grows while the client does not read; with it, in either way, it does not.")
        .series(Series::new("off", Ink::Orange, Stroke::Solid, off.memory.clone()))
        .series(Series::new("await", Ink::Blue, Stroke::Dashed, on.memory.clone()))
        .series(Series::new("threads", Ink::Grey, Stroke::Dotted, threads.memory.clone()))
        .phase(0.0, stops, "reads")
        .phase(stops, again, "stops reading")
        .phase(again, end.max(again), "reads again");
    let row = |what: &str, growth: u64, slow: Option<u64>, verified: u64| {
        let slow = slow.map_or_else(String::new, |slow| Bytes(slow).to_string());
        [what.to_owned(), Bytes(growth).to_string(), slow, Bytes(verified).to_string()]
    };
    let finding = Finding::new(&e)
        .chart(chart)
        .table(
            Table::new(["server", "memory grew by", "slow reader", "came back"])
                .row(row("off", e.off_growth, Some(e.slow_off_growth), e.off_verified))
                .row(row("await", e.on_growth, Some(e.slow_on_growth), e.on_verified))
                .row(row("threads", e.threads_growth, None, e.threads_verified)),
        )
        .explain(format!(
            "All three did the same work: {} came back to each client, every byte checked. For that the server without \
             backpressure needed {} of memory, the one that awaits its writes {}, the one with threads {}.",
            Bytes(e.total),
            Bytes(e.off_growth),
            Bytes(e.on_growth),
            Bytes(e.threads_growth),
        ))
        .explain(format!(
            "While the client did not read, the awaiting server's write could not complete, so it did not read either; the \
             kernel's queues filled, {} between the client's write and its read; and then the client's sending was held \
             back (for {:.1} s at a time). Held back is not lost: TCP keeps every byte. The other server went on reading, \
             and kept what it could not write: its memory held what the client's program refused to take.",
            Bytes(e.on_pending),
            e.on_held_back_seconds,
        ))
        .explain(format!(
            "It needs no reader that stops. With one that only reads more slowly than it sends (4 against 32 MiB a second) \
             the server without backpressure grew by {} in {} s, the other by {}. Only the time to the crash is longer.",
            Bytes(e.slow_off_growth),
            STOP.as_secs(),
            Bytes(e.slow_on_growth),
        ))
        .explain(
            "Four roles: the client produces requests and consumes replies, the server consumes requests and produces \
             replies. The mismatch is between the server, as producer of replies, and the client, as their consumer. \
             Backpressure carries it back to the first producer. Flat is not free, though: the kernel's memory is in no \
             process's figures, and a client that never reads keeps it until a timeout ends the connection.",
        )
        .claim(
            "without backpressure memory grows more than 20 times as much",
            e.off_growth > 20 * e.on_growth.max(1),
            format!("{} against {}", Bytes(e.off_growth), Bytes(e.on_growth)),
        )
        .claim(
            "nothing is lost, with either",
            e.off_verified == e.total && e.on_verified == e.total && e.threads_verified == e.total,
            format!(
                "{}, {}, {} of {}",
                Bytes(e.off_verified),
                Bytes(e.on_verified),
                Bytes(e.threads_verified),
                Bytes(e.total),
            ),
        )
        .claim(
            "blocking threads are backpressure, too",
            e.off_growth > 20 * e.threads_growth.max(1),
            Bytes(e.threads_growth).to_string(),
        )
        .claim(
            "a slow reader is enough",
            e.slow_off_growth > 20 * e.slow_on_growth.max(1),
            format!("{} against {}", Bytes(e.slow_off_growth), Bytes(e.slow_on_growth)),
        );
    match e.on_verified == e.total && e.on_growth < RATE / 4 {
        true => finding.measured('c'),
        false => finding.measured('a'),
    }
}

const OFF: &[&str] = &["--backpressure", "off", "--memory-limit", "128MiB", "--drain", "0s"];
const ON: &[&str] = &["--backpressure", "await", "--drain", "0s"];
const THREADS: &[&str] = &["--io", "threads", "--drain", "0s"];

/// Bytes that each client sends a second while it does not catch up.
const RATE: u64 = 32 << 20;

/// Bytes that each client sends, and wants back: what goes out at the rate in four seconds.
const TOTAL: u64 = 128 << 20;

/// Bytes of memory that must be left: the queue of the server without backpressure is at most all that is sent, and the
/// other processes need some 20 MiB.
const MEMORY: u64 = TOTAL + (32 << 20);

/// For how long the clients read at first.
const READ: Duration = Duration::from_secs(1);

/// For how long they then do not.
const STOP: Duration = Duration::from_millis(2500);

/// The reader that stops, and reads again.
const STOPS: Reading = Reading::Pause { from: READ, until: Duration::from_millis(3500) };

/// The reader that is slow: an eighth of what it sends.
const SLOW: Reading = Reading::AtRate(RATE / 8);

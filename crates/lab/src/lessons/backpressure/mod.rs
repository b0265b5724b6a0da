//! `backpressure`: the same work against three echo servers. One always keeps reading, one awaits each write, one uses a
//! blocking thread per connection. Then a reader that is slow instead of stopped.

#[cfg(test)]
mod loops;
mod side;

use std::time::Duration;

use echoctl_client::Reading;
use echoctl_record::{Bytes, Seconds};
use echoctl_report::{Chart, Ink, NOT_RUN, Series, Stroke, Table, Unit};
use serde_json::json;

use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};
use side::{Measurements, Side};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "backpressure",
    idea: "three servers: where the bytes are when a reader stops",
    question: Question {
        text: "Three echo servers run: \"off\" keeps reading and queues its replies, \"await\" waits for each write to \
               complete before it reads again, and \"threads\" does the same with one blocking thread per connection. Each \
               has one client, which sends 32 MiB per second and reads the replies. After 1 s it stops reading but keeps trying \
               to send; 2.5 s later it reads again. What happens with \"await\" while its client does not read?",
        choices: &[
            "the server's memory grows, but slowly",
            "replies are lost",
            "the client's writes block, and nothing is lost",
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
        ("echoctl demo", "the same on a larger scale, live, with a page to keep"),
        ("echoctl watch PORT", "the queues of a running server, live"),
        ("echoctl lesson pause", "another way: a queue with two watermarks"),
        ("echoctl audit 127.0.0.1:PORT", "test whether your own server has backpressure"),
        ("yes | sleep 5", "backpressure without TCP: a pipe buffers 64 KiB, then yes blocks"),
    ],
    before: None,
    run,
};

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    let runtime = echoctl_server::runtime(Some(2))?;
    runtime.block_on(async {
        let program = &setting.program;
        // Sabotage: the server without backpressure gets it, too.
        let bug: &[&str] = if setting.sabotage { ON } else { OFF };
        let off = Side::start(program, bug, STOPS, MAX_DURATION).await?;
        let on = Side::start(program, ON, STOPS, MAX_DURATION).await?;
        let threads = Side::start(program, THREADS, STOPS, MAX_DURATION).await?;
        let (off, on, threads) = (off.finish()?, on.finish()?, threads.finish()?);

        let slow_off = Side::start(program, bug, SLOW, STOP).await?;
        let slow_on = Side::start(program, ON, SLOW, STOP).await?;
        let (slow_off, slow_on) = (slow_off.finish()?, slow_on.finish()?);
        Ok(finding(&off, &on, &threads, [&slow_off, &slow_on]))
    })
}

fn finding(
    off: &Measurements,
    on: &Measurements,
    threads: &Measurements,
    [slow_off, slow_on]: [&Measurements; 2],
) -> Finding {
    let (end, growth_at_end) = off.memory.last().copied().unwrap_or_default();
    let growth_at_end = Bytes(growth_at_end as u64);
    let slow_seconds = Seconds(slow_off.memory.last().map_or(0.0, |&(t, _)| t));
    // Sizes in bytes. What is pending is the maximum until the client reads again; `threads` has no slow reader.
    let evidence = json!({
        "total": TOTAL,
        "off_growth": off.growth,
        "on_growth": on.growth,
        "threads_growth": threads.growth,
        "off_growth_at_end": growth_at_end,
        "off_pending_at_end": off.pending_at_end,
        "off_verified": off.verified,
        "on_verified": on.verified,
        "threads_verified": threads.verified,
        "off_pending": off.pending,
        "on_pending": on.pending,
        "on_held_back_seconds": on.held_back,
        "slow_off_growth": slow_off.growth,
        "slow_on_growth": slow_on.growth,
        "slow_seconds": slow_seconds,
    });
    let (stops, again) = (READ.as_secs_f64(), (READ + STOP).as_secs_f64());
    let chart = Chart::lines("Growth of the server's memory", Unit::Bytes)
        .describe(
            "Without backpressure it grows while the client does not read; with backpressure it does not.",
        )
        .series(Series::new("off", Ink::Orange, Stroke::Solid, off.memory.clone()))
        .series(Series::new("await", Ink::Blue, Stroke::Dashed, on.memory.clone()))
        .series(Series::new("threads", Ink::Grey, Stroke::Dotted, threads.memory.clone()))
        .phase(0.0, stops, "reads")
        .phase(stops, again, "does not read")
        .phase(again, end.max(again), "reads again");
    let is_held_back = on.verified == Bytes(TOTAL) && on.growth < Bytes(RATE / 4);
    let is_far_above = |growth: Bytes, other: Bytes| growth.0 > 20 * other.0.max(1);
    let row = |what: &str, growth: Bytes, slow: Option<Bytes>, verified: Bytes| {
        let slow = slow.map_or_else(|| NOT_RUN.to_owned(), |slow| slow.to_string());
        [what.to_owned(), growth.to_string(), slow, verified.to_string()]
    };
    Finding::new(&evidence)
        .chart(chart)
        .table(
            Table::new("", ["server", "grew by", "grew by, with a slow reader", "came back"])
                .row(row("off", off.growth, Some(slow_off.growth), off.verified))
                .row(row("await", on.growth, Some(slow_on.growth), on.verified))
                .row(row("threads", threads.growth, None, threads.verified)),
        )
        .explain("In short: with backpressure the client waits; without it, the server's memory grows.")
        .explain(format!(
            "All three servers did the same work: {} came back to each client, every byte identical. Their memory grew \
             meanwhile: \"off\" by {}, \"await\" by {}, \"threads\" by {}.",
            Bytes(TOTAL), off.growth, on.growth, threads.growth,
        ))
        .explain(format!(
            "While the client did not read, the write of \"await\" could not complete, so the server did not read, \
             either. The kernels' queues filled up ({} were written and not read back), and then the client's writes \
             blocked; the longest block lasted {}. The size of these queues varies: Linux enlarges a receive \
             queue while its program reads fast, up to the maximum in net.ipv4.tcp_rmem. Blocked is not lost: TCP \
             delivers every byte later. The server \"off\" kept reading, and its memory filled with replies that the \
             client did not read.",
            on.pending, on.held_back,
        ))
        .explain(retained(off.pending_at_end, growth_at_end))
        .explain(format!(
            "The reader need not stop; being slow is enough. With a client that reads 4 MiB per second and sends 32 MiB \
             per second, \"off\" grew by {} in {}, \"await\" by {}. It only takes longer until the memory is used up.",
            slow_off.growth, slow_seconds, slow_on.growth,
        ))
        .explain(
            "There are four roles: the client produces requests and consumes replies, and the server consumes requests \
             and produces replies. Here the mismatched pair is the server as producer of replies and the client as their \
             consumer. Backpressure makes the first producer, the client, wait. Flat is not free, though: the queues in \
             the kernel do not count as any process's memory, and a client that never reads occupies them until a \
             timeout closes the connection.",
        )
        .claim(
            "without backpressure memory grows more than 20 times as much",
            is_far_above(off.growth, on.growth),
            format!("off {}, await {}", off.growth, on.growth),
        )
        .claim(
            "nothing is lost in any of the three",
            [off.verified, on.verified, threads.verified] == [Bytes(TOTAL); 3],
            format!(
                "off {}, await {}, threads {} of {}",
                off.verified,
                on.verified,
                threads.verified,
                Bytes(TOTAL),
            ),
        )
        .claim(
            "blocking threads have backpressure, too",
            is_far_above(off.growth, threads.growth),
            format!("off {}, threads {}", off.growth, threads.growth),
        )
        .claim(
            "a slow reader is enough",
            is_far_above(slow_off.growth, slow_on.growth),
            format!("off {}, await {}", slow_off.growth, slow_on.growth),
        )
        .measured(if is_held_back { 'c' } else { 'a' })
}

/// Why the memory of the server without backpressure does not return to its start when its queue is empty.
fn retained(pending: Bytes, growth: Bytes) -> String {
    format!(
        "After everything has come back, the queue of \"off\" holds {pending}, and its line in the chart ends at {growth}. An \
         allocator may return freed pages to the system, or keep them for later. So judge a server by how much its \
         memory grows, not by whether the memory returns."
    )
}

const OFF: &[&str] = &["--backpressure", "off", "--memory-limit", "128MiB", "--drain", "0s"];
const ON: &[&str] = &["--backpressure", "await", "--drain", "0s"];
const THREADS: &[&str] = &["--io", "threads", "--drain", "0s"];

/// Bytes per second that each client sends until it reads again.
const RATE: u64 = 32 << 20;

/// Bytes that each client sends and expects back: four seconds at the rate.
const TOTAL: u64 = 128 << 20;

/// Bytes of memory that must be available: the queue of the server without backpressure holds at most everything that is
/// sent, and the other processes need about 20 MiB.
const MEMORY: u64 = TOTAL + (32 << 20);

/// How long the clients read at first.
const READ: Duration = Duration::from_secs(1);

/// How long they then do not read.
const STOP: Duration = Duration::from_millis(2500);

/// Time limit for the first part, which takes 4 s: a machine that needs longer is too loaded for the experiment.
const MAX_DURATION: Duration = Duration::from_secs(11);

/// The reader that stops, and reads again.
const STOPS: Reading = Reading::Pause { from: READ, until: READ.saturating_add(STOP) };

/// The slow reader: it reads an eighth of what it sends.
const SLOW: Reading = Reading::AtRate(RATE / 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_times_and_rates_that_run() {
        let times = format!("After {} s it stops reading", READ.as_secs_f64());
        let pause = format!("; {} s later it reads again", STOP.as_secs_f64());
        let rate = format!("sends {} MiB per second", RATE >> 20);

        for figure in [times, pause, rate] {
            assert!(LESSON.question.text.contains(&figure), "'{figure}' is not in {}", LESSON.question.text);
        }
    }

    /// A server whose memory grew by `growth` bytes and ended at `left`.
    fn measured(growth: u64, left: u64) -> Measurements {
        Measurements {
            memory: vec![(0.05, 0.0), (1.0, growth as f64), (2.6, left as f64)],
            growth: Bytes(growth),
            pending: Bytes(growth),
            pending_at_end: Bytes(0),
            verified: Bytes(TOTAL),
            held_back: Seconds(2.2),
        }
    }

    #[test]
    fn times_in_the_text_are_those_that_ran() {
        let (off, on) = (measured(80 << 20, 78 << 20), measured(100 << 10, 0));

        let text = finding(&off, &on, &on, [&off, &on]).explanation.join(" ");

        assert!(text.contains("the longest block lasted 2.2 s"), "{text}");
        assert!(text.contains("grew by 80 MiB in 2.6 s"), "{text}");
    }

    #[test]
    fn memory_that_stays_after_draining_is_explained() {
        let on = measured(100 << 10, 0);
        let text = |off: &Measurements| finding(off, &on, &on, [off, &on]).explanation.join(" ");

        let stays = text(&measured(80 << 20, 78 << 20));
        let returns = text(&measured(80 << 20, 1 << 20));

        assert!(stays.contains("ends at 78 MiB") && stays.contains("holds 0 B"), "{stays}");
        assert!(returns.contains("ends at 1 MiB"), "{returns}");
        for text in [stays, returns] {
            assert!(text.contains("how much its memory grows"), "{text}");
        }
    }
}

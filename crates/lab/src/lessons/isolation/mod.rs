//! `isolation`: one client that does not read, and another beside it. Whether the second waits for the first depends on what they
//! share in the server: a thread, a lock, or a ring of buffers.

mod client;
mod loops;
#[cfg(not(target_os = "linux"))]
mod no_uring;
mod rings;
#[cfg(target_os = "linux")]
mod shared_ring;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use echoctl_proto::Framing;
use echoctl_record::Seconds;
use echoctl_report::Table;
use echoctl_server::{Config, Io};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::kit::{Code, Finding, Lesson, LessonError, LocalServers, Question, Setting, join, spawn};
use client::{Clients, Healthy, Stalled};
use rings::Rings;

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "isolation",
    idea: "one stalled client: which others wait, and for what",
    question: Question {
        text: "A client sends without reading until the server's write to it blocks. Another client sends one byte at a time \
               and waits for each echo. After 3 s the first client reads. How long does the second wait at most, on a server \
               that writes to all clients from one thread, and on a server with one async task per client?",
        choices: &[
            "milliseconds on both: each connection has queues of its own",
            "3 s with one thread, milliseconds with tasks",
            "3 s on both: they share the kernel and the network",
        ],
    },
    code: Code {
        source: concat!(include_str!("loops.rs"), include_str!("shared_ring.rs")),
        node: Some(
            "// Node's one thread never blocks in write, but everything synchronous stops all clients:\n\
             socket.on('data', data => socket.write(slowSync(data)));\n\n\
             // The same mistake as the lock, without a lock: a broadcast that awaits one client after the other\n\
             for (const client of clients) await soWrite(client, message);     // waits for the slowest",
        ),
    },
    next: &[
        ("echoctl serve --io one-thread", "the server of this lesson, to try by hand"),
        ("echoctl serve --io uring --workers 1", "the server with one ring and a bound per connection"),
        ("echoctl flood --no-read", "the client that does not read, beside it"),
        ("echoctl ping", "the client that is timed, in a third terminal"),
        (
            "echoctl audit -- node server.js",
            "times other clients meanwhile; one that has to wait makes the verdict `starves`",
        ),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Seconds that the healthy client waited for an echo beside the stalled one: at most, where it had to wait for that one, and
    /// usually (the median) elsewhere. A busy machine delays an echo now and then, by more than the usual wait.
    one_thread_wait: Seconds,
    tasks_wait: Seconds,
    lock_held_wait: Seconds,
    lock_released_wait: Seconds,
    /// The longest waits with tasks and with the lock released.
    tasks_longest_wait: Seconds,
    lock_released_longest_wait: Seconds,
    /// The usual wait without a stalled client, with one thread.
    calm_wait: Seconds,
    /// How long each client waited at least, once, beside a stalled client that held all buffers of a shared ring. This and the next are
    /// missing where there is no io_uring.
    ring_held_wait: Option<Seconds>,
    /// How many of the ring's buffers it held, of how many.
    ring_held: Option<usize>,
    ring_buffers: Option<usize>,
    /// How long each client usually waited at most, and once, where the ring has a bound per connection.
    ring_bounded_wait: Option<Seconds>,
    ring_bounded_longest_wait: Option<Seconds>,
    /// How long the stalled client did not read.
    stalled_seconds: Seconds,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    if cfg!(windows) {
        return Err(LessonError::NotVisible("a server that polls all its sockets on one thread".to_owned()));
    }
    let servers = LocalServers::start()?;
    let echo = |io, workers| {
        servers.echo(Config { io, workers, framing: Framing::Raw, ..Config::default() }, |_| ())
    };
    let (for_held, for_released) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    // Sabotage: the client that should not read does.
    let stall = if setting.sabotage { Duration::ZERO } else { STALL };
    let with_one_ring = echo(Io::Uring, Some(1));
    let rings = spawn(move || Rings::measure(with_one_ring, stall))?;
    let one_thread = beside(echo(Io::OneThread, None)?, stall)?;
    let tasks = beside(echo(Io::Tasks, None)?, stall)?;
    let held = beside(servers.tasks(move |socket| loops::held(socket, for_held.clone()))?, stall)?;
    let released =
        beside(servers.tasks(move |socket| loops::released(socket, for_released.clone()))?, stall)?;
    let (one_thread, tasks) = (join(one_thread)??, join(tasks)??);
    let (held, released) = (join(held)??, join(released)??);
    let rings = match join(rings)? {
        Err(LessonError::NotVisible(what)) => Err(what),
        measured => Ok(measured?),
    };
    Ok(finding(
        &[
            ("one thread, blocking writes", one_thread),
            ("one task per client", tasks),
            ("tasks, a lock held across the write", held),
            ("tasks, the lock released before it", released),
        ],
        rings.as_ref().map_err(String::as_str),
        stall,
    ))
}

/// What a healthy client waited for an echo.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// The median without a stalled client.
    alone: Seconds,
    /// The median and the maximum beside a client that does not read.
    usual: Seconds,
    longest: Seconds,
}

impl Waits {
    /// As the fields of a table.
    fn cells(&self) -> [String; 3] {
        [self.alone, self.usual, self.longest].map(|wait| wait.to_string())
    }
}

/// Times one healthy client of a server.
fn beside(
    server: SocketAddr,
    stall: Duration,
) -> Result<JoinHandle<Result<Waits, LessonError>>, LessonError> {
    let clients = Clients::connect(server, 1)?;
    spawn(move || Ok(measure(clients, stall)?[0]))
}

/// Times the healthy clients of a server, first without, and then beside a client that reads nothing for the time of `stall`.
fn measure(clients: Clients, stall: Duration) -> Result<Vec<Waits>, LessonError> {
    let median = |waits: &[Duration]| Seconds(waits[waits.len() / 2].as_secs_f64());
    let Clients { stalling, mut healthy } = clients;
    let alone = Healthy::time(&mut healthy, ALONE)?;
    let reads = Stalled::stall(stalling)?.read_after(stall)?;
    let beside = Healthy::time(&mut healthy, stall)?;
    join(reads)??;
    let waits = |(alone, beside): (Vec<Duration>, Vec<Duration>)| {
        let longest = beside.last().copied().unwrap_or_default();
        Waits { alone: median(&alone), usual: median(&beside), longest: Seconds(longest.as_secs_f64()) }
    };
    Ok(alone.into_iter().zip(beside).map(waits).collect())
}

fn finding(servers: &[(&str, Waits); 4], rings: Result<&Rings, &str>, stall: Duration) -> Finding {
    let [(_, one_thread), (_, tasks), (_, held), (_, released)] = *servers;
    let e = Evidence {
        one_thread_wait: one_thread.longest,
        tasks_wait: tasks.usual,
        lock_held_wait: held.longest,
        lock_released_wait: released.usual,
        tasks_longest_wait: tasks.longest,
        lock_released_longest_wait: released.longest,
        calm_wait: one_thread.alone,
        ring_held_wait: rings.ok().map(Rings::held_wait),
        ring_held: rings.ok().map(|rings| rings.occupancy().most_held),
        ring_buffers: rings.ok().map(|rings| rings.occupancy().buffers),
        ring_bounded_wait: rings.ok().map(Rings::bounded_wait),
        ring_bounded_longest_wait: rings.ok().map(Rings::bounded_longest_wait),
        stalled_seconds: Seconds(stall.as_secs_f64()),
    };
    let table = servers.iter().fold(
        Table::new("", ["server", "by itself", "beside it", "at most"]),
        |table, (name, waits)| {
            let [alone, usual, longest] = waits.cells();
            table.row([(*name).to_owned(), alone, usual, longest])
        },
    );
    // A busy machine delays an echo now and then by more than 20 times the usual, but not for most of a stall of seconds.
    let waits_for_the_stall = |longest: Seconds, other: Seconds| {
        longest.0 > 20.0 * other.0 && longest.0 > STALL.as_secs_f64() / 2.0
    };
    let blocks = waits_for_the_stall(e.one_thread_wait, e.tasks_wait);
    let finding = Finding::new(&e)
        .table(table)
        .explain("In short: clients are isolated only if the server shares nothing between them that a write can keep waiting.")
        .explain(format!(
            "Each table has the time that a healthy client waited for an echo: usually (the median) without another client, \
             usually beside the client that did not read, and at most. With one thread an echo usually took {} without it, and {} beside a client \
             that did not read for {}. The thread was blocked in the write to that client, and could not read from any \
             other. This is head-of-line blocking: the first in line stops all behind it, and nothing times out by default.",
            e.calm_wait, e.one_thread_wait, e.stalled_seconds,
        ))
        .explain(format!(
            "With one task per client, only the stalled client's task waited: an echo usually took {}, and at most {}. The kernel isolates the \
             clients anyway: each connection has queues of its own. The server undoes that when one client's write keeps a \
             thread that serves others, too. An event loop must therefore never block, in write or in anything else.",
            e.tasks_wait, e.tasks_longest_wait,
        ))
        .explain(format!(
            "Tasks are not enough. The third server also has one task per client, but takes a lock on a counter of all clients and \
             holds it while it writes. The stalled client's task kept the lock, the other task waited for the lock, and an echo took \
             {}. With the lock released before the write, it usually took {}, and at most {}. A lock, a connection of a pool, a place in a common queue or a \
             broadcast that awaits one client after the other: whatever is held across a write is held as long as the \
             slowest client likes.",
            e.lock_held_wait, e.lock_released_wait, e.lock_released_longest_wait,
        ))
        .claim(
            "with one thread an echo takes most of the stall, and more than 20 times as long as usual with tasks",
            blocks,
            format!("one thread {}, tasks usually {}", e.one_thread_wait, e.tasks_wait),
        )
        .claim(
            "a lock held across a write does the same to tasks",
            waits_for_the_stall(e.lock_held_wait, e.lock_released_wait),
            format!("held {}, released usually {}", e.lock_held_wait, e.lock_released_wait),
        )
        .measured(if blocks { 'b' } else { 'a' });
    match rings {
        Ok(rings) => {
            let (held, bounded) = (rings.held_wait(), rings.bounded_wait());
            let finding = rings.explanation().into_iter().fold(finding, Finding::explain);
            finding.table(rings.table()).claim(
                "a shared ring whose buffers are held does the same to each of the others, and not with a bound per connection",
                waits_for_the_stall(held, bounded) && rings.is_used_up(),
                format!("held {held} or longer, with a bound usually {bounded} or less"),
            )
        }
        Err(what) => finding.explain(format!("Not visible here: {what}.")),
    }
}

/// How long the first client does not read.
const STALL: Duration = Duration::from_secs(3);

/// How long the healthy client is timed alone: about 40 echoes.
const ALONE: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_time_that_runs() {
        let time = format!("After {} s the first client reads", STALL.as_secs());
        assert!(LESSON.question.text.contains(&time), "'{time}' is not in {}", LESSON.question.text);
    }

    #[test]
    fn without_io_uring_one_line_says_so_and_the_rest_holds() {
        let waits = |longest| Waits { alone: Seconds(1e-4), usual: Seconds(1e-4), longest: Seconds(longest) };
        let servers =
            [("thread", waits(3.0)), ("tasks", waits(0.1)), ("held", waits(3.0)), ("not", waits(0.1))];

        let finding = finding(&servers, Err("io_uring, which the kernel or a sandbox refuses"), STALL);

        assert!(finding.holds(), "{:#?}", finding.claims);
        let last = finding.explanation.last().expect("it explains");
        assert_eq!(last, "Not visible here: io_uring, which the kernel or a sandbox refuses.");
        assert_eq!((finding.tables.len(), finding.evidence["ring_held_wait"].is_null()), (1, true));
    }
}

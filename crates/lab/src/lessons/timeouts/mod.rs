//! `timeouts`: an idle timeout, a write timeout, a minimum rate and TCP keepalive, each against clients that do nothing, read nothing,
//! or read slowly. Each of them disconnects a different client.

mod clients;
mod keepalive;
#[cfg(test)]
mod loops;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use echoctl_proto::Framing;
use echoctl_record::{Bytes, Seconds, count};
use echoctl_report::Table;
use echoctl_server::{Config, Event, MinRate};
use serde::Serialize;

use crate::kit::{Code, Finding, Lesson, LessonError, LocalServers, Question, Setting, join, spawn};
use clients::{BUFFER, Client, Habit, act_all};
use keepalive::Keepalive;

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "timeouts",
    idea: "idle, write, minimum rate, keepalive: which one ends whom",
    question: Question {
        text: "A server disconnects clients that are idle for 1.5 s, and has TCP keepalive. A client sends requests all the \
               time and reads no reply, until the server's write blocks. Nothing moves any more. What happens?",
        choices: &[
            "the idle timeout disconnects it after 1.5 s",
            "TCP keepalive disconnects it: it does not react",
            "neither; it stays until the server has a write timeout",
        ],
    },
    code: Code {
        source: include_str!("loops.rs"),
        node: Some(
            "socket.setTimeout(30_000, () => socket.destroy());  // no input and no output for 30 s: both are \"idle\"\n\n\
             // Node's timeout also restarts with each write() that only queues. A write timeout is a timer of your own:\n\
             const timer = setTimeout(() => socket.destroy(), 30_000);\n\
             socket.write(data, () => clearTimeout(timer));      // called when the kernel has accepted the data",
        ),
    },
    next: &[
        (
            "echoctl serve --write-timeout 5s",
            "then a client that does not read: echoctl flood --no-read --for 20s",
        ),
        ("echoctl serve --help", "the table of jumps under --write-timeout: how slow a reader may be"),
        ("echoctl audit -- node server.js", "how long your own server keeps a client that does not read"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// On the client that never reads.
    idle_fired: bool,
    write_fired: bool,
    keepalive_fired: bool,
    /// Whether the slow reader stayed connected under the write timeout.
    slow_reader_survived: bool,
    /// For each limit, and each client in the order of the table: seconds until it was disconnected.
    idle: Times,
    write: Times,
    min_rate: Times,
    keepalive_probes: u32,
    keepalive_answers: u32,
    timeout: Seconds,
    observed: Seconds,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let servers = LocalServers::start()?;
    let limits = [
        Config { idle_timeout: Some(LIMIT), ..Config::default() },
        Config { write_timeout: Some(LIMIT), ..Config::default() },
        Config { min_rate: Some(MinRate { bytes_per_second: MIN_RATE, period: LIMIT }), ..Config::default() },
    ];
    let closed = Closed::default();
    let mut clients = Vec::new();
    for config in limits {
        let config = Config {
            framing: Framing::Raw,
            send_buffer: Some(BUFFER),
            receive_buffer: Some(BUFFER),
            ..config
        };
        let addr = servers.echo(config, closed.recorder())?;
        for (_, habit) in CLIENTS {
            // Sabotage: the client that never reads does.
            let reads = setting.sabotage && habit == Habit::Reads(0);
            clients.push(Client::connect(addr, if reads { Habit::Reads(FAST) } else { habit })?);
        }
    }
    let keepalive = spawn(|| keepalive::watch(OBSERVED))?;
    act_all(&mut clients, OBSERVED);
    let times = clients.iter().map(|client| Ok(closed.time_of(client.addr()?)));
    let times = times.collect::<Result<Vec<_>, LessonError>>()?;
    let of = |limit: usize| std::array::from_fn(|client| times[limit * CLIENTS.len() + client]);
    Ok(finding(of(0), of(1), of(2), &join(keepalive)??))
}

/// When the servers closed which connection.
#[derive(Clone)]
struct Closed {
    began: Instant,
    times: Arc<Mutex<Vec<(SocketAddr, Duration)>>>,
}

impl Default for Closed {
    fn default() -> Closed {
        Closed { began: Instant::now(), times: Arc::default() }
    }
}

impl Closed {
    /// Receives a server's events. Only limits are recorded, not a client's own end.
    fn recorder(&self) -> impl Fn(Event) + Send + Sync + 'static {
        let closed = self.clone();
        move |event| {
            if let Event::Closed { peer, reason: echoctl_server::CloseReason::Forced(_), .. } = event {
                let mut times = closed.times.lock().unwrap_or_else(PoisonError::into_inner);
                times.push((peer, closed.began.elapsed()));
            }
        }
    }

    fn time_of(&self, client: SocketAddr) -> Option<Seconds> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.iter().find(|(peer, _)| *peer == client).map(|(_, time)| Seconds(time.as_secs_f64()))
    }
}

/// When each client was disconnected, in seconds.
type Times = [Option<Seconds>; CLIENTS.len()];

fn finding(idle: Times, write: Times, min_rate: Times, keepalive: &Keepalive) -> Finding {
    let e = Evidence {
        idle_fired: idle[STALLED].is_some(),
        write_fired: write[STALLED].is_some(),
        keepalive_fired: keepalive.closed_silent || keepalive.closed_stalled,
        slow_reader_survived: write[SLOW].is_none(),
        idle,
        write,
        min_rate,
        keepalive_probes: keepalive.probes,
        keepalive_answers: keepalive.answers,
        timeout: Seconds(LIMIT.as_secs_f64()),
        observed: Seconds(OBSERVED.as_secs_f64()),
    };
    let outcome =
        |time: Option<Seconds>| time.map_or_else(|| "stays".to_owned(), |time| format!("ended, {time}"));
    let limit = e.timeout;
    let headings = [
        "client".to_owned(),
        format!("idle {limit}"),
        format!("write {limit}"),
        format!("min rate {}/s", Bytes(MIN_RATE)),
    ];
    let table = CLIENTS.iter().enumerate().fold(Table::new("", headings), |table, (at, (name, _))| {
        table.row([(*name).to_owned(), outcome(idle[at]), outcome(write[at]), outcome(min_rate[at])])
    });
    let after =
        |time: Option<Seconds>| time.map_or_else(|| "never".to_owned(), |time| format!("after {time}"));
    let closed =
        [keepalive.closed_silent, keepalive.closed_stalled].into_iter().filter(|&closed| closed).count();
    let answered = e.keepalive_probes > 0 && e.keepalive_answers >= e.keepalive_probes;
    let finding = Finding::new(&e).table(table).table(
        Table::new("", ["TCP keepalive, every second", ""])
            .row(["probes sent to the client that sends nothing".to_owned(), e.keepalive_probes.to_string()])
            .row(["answers of its kernel".to_owned(), e.keepalive_answers.to_string()])
            .row(["connections that it closed".to_owned(), closed.to_string()]),
    );
    explained(finding, &e)
        .claim(
            "the idle timeout ends the silent client, not the stalled reader",
            idle[SILENT].is_some() && !e.idle_fired,
            format!("silent {}, stalled {}", after(idle[SILENT]), after(idle[STALLED])),
        )
        .claim(
            "the write timeout ends the stalled reader, not the silent client",
            write[SILENT].is_none() && e.write_fired,
            format!("silent {}, stalled {}", after(write[SILENT]), after(write[STALLED])),
        )
        .claim(
            "a reader of 128 KiB per second survives the write timeout, but not a minimum rate",
            e.slow_reader_survived && min_rate[SLOW].is_some() && min_rate[FASTER].is_none(),
            format!("write {}, minimum rate {}", after(write[SLOW]), after(min_rate[SLOW])),
        )
        .claim(
            "keepalive ends none of them: the peer's kernel answers",
            !e.keepalive_fired && answered,
            format!("{}, {}", count(e.keepalive_probes, "probe"), count(e.keepalive_answers, "answer")),
        )
        .measured(match (e.idle_fired, e.keepalive_fired) {
            (true, _) => 'a',
            (false, true) => 'b',
            (false, false) => 'c',
        })
}

fn explained(finding: Finding, e: &Evidence) -> Finding {
    let time =
        |time: Option<Seconds>| time.map_or_else(|| "not at all".to_owned(), |time| format!("after {time}"));
    finding
        .explain("In short: a client that does not read is not idle. Only a write timeout or a minimum rate ends it.")
        .explain(format!(
            "(\"Stays\" means: still connected after {}. Times count from the start of a run, and a server looks at its connections only \
             every quarter of a timeout, so it may end one that much later.) The idle timeout ended the client that sent nothing ({}), and no other. While the others read slowly or never, replies to them \
             were pending: the server waited for them, not they for the server. So an idle timeout never ends a client that has stopped \
             reading, however long nothing moves.",
            e.observed, time(e.idle[SILENT]),
        ))
        .explain(format!(
            "The write timeout ended the client that never read ({}). It runs while replies are pending and the client's kernel \
             acknowledges nothing. It spared the client that read {SLOW_RATE} per second, because some of its bytes were acknowledged in \
             time.{}",
            time(e.write[STALLED]), jumps(e.write[SLOWEST]), SLOW_RATE = Bytes(SLOW_RATE),
        ))
        .explain(format!(
            "A write timeout is satisfied by a single jump each time, so a client can occupy the server with a trickle. The minimum \
             rate of {MIN_RATE} per second counts bytes: it ended the client that read {SLOW_RATE} per second ({}), and kept the one \
             that read {FAST}.",
            time(e.min_rate[SLOW]),
            MIN_RATE = Bytes(MIN_RATE), SLOW_RATE = Bytes(SLOW_RATE), FAST = Bytes(FAST),
        ))
        .explain(format!(
            "TCP keepalive sent {} to the client that did nothing, and the client's kernel answered: {}. Its program took no part in \
             that. Keepalive finds hosts that have vanished (power, cable, a NAT entry that expired), not programs that hang. A closed \
             window is probed in a similar way, and the answers keep a stalled connection open.",
            count(e.keepalive_probes, "probe"), count(e.keepalive_answers, "segment"),
        ))
}

/// Why a write timeout ends a client that reads, if it did.
fn jumps(ended: Option<Seconds>) -> String {
    let Some(time) = ended else { return String::new() };
    format!(
        " But it also ended the client that read {} per second (after {time}), although that one never stopped. A kernel opens a closed \
         window again in jumps, and acknowledgements come with them. Between two jumps a slow \
         reader looks the same as a dead one, and a timeout has to be longer than that.",
        Bytes(SLOWEST_RATE),
    )
}

/// The clients, and the names under which the table has them.
const CLIENTS: [(&str, Habit); 5] = [
    ("sends nothing", Habit::Silent),
    ("sends, reads nothing", Habit::Reads(0)),
    ("sends, reads 8 KiB/s", Habit::Reads(SLOWEST_RATE)),
    ("sends, reads 128 KiB/s", Habit::Reads(SLOW_RATE)),
    ("sends, reads 1 MiB/s", Habit::Reads(FAST)),
];

const SILENT: usize = 0;
const STALLED: usize = 1;
const SLOWEST: usize = 2;
const SLOW: usize = 3;
const FASTER: usize = 4;

/// Bytes per second of a reader that needs several seconds for one jump of its window (up to 64 KiB with these buffers), of one
/// that needs half a second, and of one above the minimum rate.
const SLOWEST_RATE: u64 = 8 << 10;
const SLOW_RATE: u64 = 128 << 10;
const FAST: u64 = 1 << 20;

/// The minimum rate in bytes per second: twice that of the slow reader, which is therefore given up after twice the period.
const MIN_RATE: u64 = 256 << 10;

/// Both timeouts, and the period of the minimum rate. The server checks four times in that time.
const LIMIT: Duration = Duration::from_millis(1500);

/// How long the clients are observed: twice the period, after which the slow reader is below the minimum rate, and two seconds for a
/// loaded machine.
const OBSERVED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_limits_and_rates_that_run() {
        let limit = format!("idle for {} s", LIMIT.as_secs_f64());
        assert!(LESSON.question.text.contains(&limit), "'{limit}' is not in {}", LESSON.question.text);
        for (name, habit) in CLIENTS {
            if let Habit::Reads(rate @ 1..) = habit {
                assert!(name.ends_with(&format!("reads {}/s", Bytes(rate))), "{name}");
            }
        }
    }
}

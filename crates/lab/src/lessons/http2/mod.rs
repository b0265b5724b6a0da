//! `http2`: HTTP/2 has a window of its own, above TCP's. A client that reads its socket and grants no window stops the server while
//! every queue of the kernel is empty. Then the bytes are in the server, or were never made.

mod body;
mod client;
mod server;

use std::time::Duration;

use echoctl_record::{Bytes, Seconds};
use echoctl_report::{Chart, Ink, Series, Stroke, Table, Unit};
use serde::Serialize;

use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, join, spawn};
use body::TOTAL;
use client::{Grants, Measurements, WINDOW, download};
pub(super) use server::Method;

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "http2",
    idea: "a stream's window: the socket is empty, the memory grows",
    question: Question {
        text: "A client requests 32 MiB over HTTP/2. It reads everything from its socket, but grants the stream a window of \
               64 KiB and then nothing more. The server makes 32 MiB per second and passes it to send(), which accepts \
               everything at once. Where are the bytes after a second?",
        choices: &[
            "in the queues of the two kernels, as far as they fit",
            "in the server's memory: all of them",
            "nowhere: TCP has made the server wait",
        ],
    },
    code: Code {
        source: include_str!("server.rs"),
        node: Some(
            "stream.write(piece);                                        // accepts everything: an unbounded queue\n\n\
             if (!stream.write(piece)) await once(stream, 'drain');      // waits until the client has granted a window",
        ),
    },
    next: &[
        ("echoctl audit h2c://127.0.0.1:PORT/PATH", "the same attack on a server of yours"),
        ("echoctl lesson flow-control", "the window of TCP, one layer below"),
        ("echoctl lesson unbounded", "the same queue, in servers without HTTP/2"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// The most payload in the queues of both sockets, once the window was used up, of both servers.
    socket_queues: Bytes,
    memory_growth_naive: Bytes,
    memory_growth_drain: Bytes,
    /// The stream's window.
    window: Bytes,
    /// Bytes of the body that arrived.
    received_naive: Bytes,
    received_drain: Bytes,
    total: Bytes,
    /// Round-trip time of a PING on the connection whose stream is stalled: median and number.
    ping_seconds: Option<Seconds>,
    pings: usize,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    // Sabotage: the client grants a window for what it has received.
    let grants = if setting.sabotage { Grants::AsReceived } else { Grants::Never };
    let start = |method| {
        let program = setting.program.clone();
        spawn(move || download(&program, method, grants, DURATION))
    };
    let (naive, waiting) = (start(Method::Naive)?, start(Method::Waiting)?);
    let (naive, waiting) = (join(naive)?, join(waiting)?);
    Ok(finding(&naive?, &waiting?))
}

/// The most of a quantity over time, in bytes.
fn most(values: &[(f64, f64)]) -> Bytes {
    Bytes(values.iter().map(|&(_, value)| value as u64).max().unwrap_or(0))
}

fn finding(naive: &Measurements, waiting: &Measurements) -> Finding {
    let e = Evidence {
        socket_queues: most(&naive.queues).max(most(&waiting.queues)),
        memory_growth_naive: most(&naive.memory),
        memory_growth_drain: most(&waiting.memory),
        window: Bytes(WINDOW.into()),
        received_naive: Bytes(naive.received),
        received_drain: Bytes(waiting.received),
        total: Bytes(TOTAL),
        ping_seconds: naive.pings.get(naive.pings.len() / 2).map(|ping| Seconds(ping.as_secs_f64())),
        pings: naive.pings.len(),
    };
    let chart = Chart::lines("Growth of the server's memory", Unit::Bytes)
        .describe(
            "It grows in the server that accepts everything, while the queues of the sockets are empty.",
        )
        .series(Series::new("naive", Ink::Orange, Stroke::Solid, naive.memory.clone()))
        .series(Series::new("waiting", Ink::Blue, Stroke::Dashed, waiting.memory.clone()));
    let row = |name: &str, side: &Measurements, growth: Bytes| {
        let queues = most(&side.queues);
        [name.to_owned(), Bytes(side.received).to_string(), queues.to_string(), growth.to_string()]
    };
    let ping = e.ping_seconds.map_or_else(|| "not measured".to_owned(), |ping| ping.to_string());
    let grows =
        e.memory_growth_naive.0 > 20 * e.memory_growth_drain.0.max(1) && e.memory_growth_naive.0 > TOTAL / 2;
    let is_stalled = e.received_naive == e.window && e.received_drain == e.window;
    Finding::new(&e)
        .table(
            Table::new("", ["server", "arrived", "in the sockets' queues", "memory grew by"])
                .row(row("naive: send() accepts everything", naive, e.memory_growth_naive))
                .row(row("waiting: send() waits for the window", waiting, e.memory_growth_drain)),
        )
        .chart(chart)
        .explain("In short: over HTTP/2 each stream has a window of its own, and only a send that waits for it is backpressure.")
        .explain(format!(
            "The client granted {}, and exactly that arrived. It read its socket all the time, so the queues of both kernels held \
             {} at most once the window was used up, TCP's window was open, and a PING (17 B) on the same connection was \
             answered in {ping}. A tool that looks at sockets sees a healthy, idle connection. But the stream was stalled.",
            e.window, e.socket_queues,
        ))
        .explain(format!(
            "The naive server made its {} anyway. Its send() put every piece into a queue that waits for the window, and its memory \
             grew by {}. TCP cannot slow it down: TCP is not full. The other server's send() completes when the client has granted a \
             window for the piece, so it made only what fits, and grew by {}.",
            e.total, e.memory_growth_naive, e.memory_growth_drain,
        ))
        .explain(
            "HTTP/2 has its own windows because many streams share one connection: a client that stopped reading the socket would \
             stop all of them. So the client must read everything, and says for each stream how much more it can use. \
             gRPC, whose streams are HTTP/2 streams, inherits this. In your library, look for what tells you that the window is used up: \
             a promise, a callback, a return value (Node: write() returns false, then 'drain').",
        )
        .claim(
            "the stream is stalled: only the window's bytes arrived",
            is_stalled,
            format!("naive {}, waiting {}, window {}", e.received_naive, e.received_drain, e.window),
        )
        .claim(
            "the sockets' queues stay empty or small",
            e.socket_queues.0 < 1 << 20,
            e.socket_queues.to_string(),
        )
        .claim(
            "without waiting memory grows more than 20 times as much",
            grows,
            format!("naive {}, waiting {}", e.memory_growth_naive, e.memory_growth_drain),
        )
        .measured(if grows { 'b' } else { 'c' })
}

/// How long the clients read: the server without backpressure makes its body in one second.
const DURATION: Duration = Duration::from_millis(2000);

/// Bytes of memory that must be available: the body that one server queues, and two small processes.
const MEMORY: u64 = TOTAL + (24 << 20);

#[cfg(test)]
mod tests {
    use super::*;
    use body::RATE;

    #[test]
    fn the_question_names_the_sizes_that_run() {
        let figures = [
            format!("requests {}", Bytes(TOTAL)),
            format!("a window of {}", Bytes(WINDOW.into())),
            format!("makes {} per second", Bytes(RATE)),
        ];
        for figure in figures {
            assert!(LESSON.question.text.contains(&figure), "'{figure}' is not in the question");
        }
    }
}

//! `race`: a callback that has returned may not have finished its work. Messages that are handled concurrently are answered
//! in any order; awaiting each answer restores the order, and a limit.
//!
//! The result does not depend on the clock: the work of each message is counted in turns of the event loop, and the first
//! message takes the most of them.

use std::cell::Cell;
use std::rc::Rc;

use echoctl_record::count;
use echoctl_report::Table;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Mutex;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::kit::loopback;
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "race",
    idea: "a callback that has returned may not have finished its work",
    question: Question {
        text: "A client sends the messages 1 2 3 4 5 over one TCP connection. For each message the server starts a \
               handler, which works for some time and then writes the reply. Message 1 takes 5 turns of the event loop \
               (in one turn every ready task runs once), message 2 takes 4, and so on down to 1 turn for message 5. The \
               server does not wait for a handler before it starts the next one. In what order do the replies arrive?",
        choices: &[
            "1 2 3 4 5: TCP keeps the order",
            "5 4 3 2 1",
            "1 2 3 4 5, all together, when the slowest is done",
        ],
    },
    code: Code {
        source: include_str!("race.rs"),
        node: Some(
            "// wrong: 'data' is emitted again while the handler of the previous message still waits\n\
             socket.on('data', async message => {\n    \
                 const reply = await work(message);\n    \
                 socket.write(reply);\n\
             });\n\n\
             // right: one loop that awaits; it reads the next message when this one has been answered\n\
             while (true) {\n    \
                 const message = await soRead(conn);\n    \
                 if (message.length === 0) break;          // EOF\n    \
                 await soWrite(conn, await work(message));\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson race --show-code", "the two servers, side by side, and the same in Node"),
        ("echoctl lesson unbounded", "what happens when nothing limits the messages in flight"),
        ("echoctl lesson backpressure", "what else you gain by awaiting the write"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    sent: Vec<u32>,
    order_wrong: Vec<u32>,
    order_right: Vec<u32>,
    in_flight_wrong: u32,
    in_flight_right: u32,
    /// The lines that arrive when each reply is written in two halves and handlers run concurrently.
    halves_wrong: Vec<String>,
    /// The same with each handler awaited.
    halves_right: Vec<String>,
}

/// How the server runs its handlers.
#[derive(Clone, Copy, PartialEq)]
enum Handlers {
    /// Starts a handler for each message and does not wait for it.
    StartAll,
    /// Answers each message before it reads the next.
    AwaitEach,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    // Sabotage: the wrong server awaits, too, so that no reply can overtake another.
    let wrong = if setting.sabotage { Handlers::AwaitEach } else { Handlers::StartAll };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let evidence = runtime.block_on(LocalSet::new().run_until(async {
        let (order_wrong, in_flight_wrong) = replies(wrong, 1).await?;
        let (order_right, in_flight_right) = replies(Handlers::AwaitEach, 1).await?;
        let (halves_wrong, _) = replies(wrong, 2).await?;
        let (halves_right, _) = replies(Handlers::AwaitEach, 2).await?;
        Ok::<_, LessonError>(Evidence {
            sent: (1..=MESSAGES).collect(),
            order_wrong: numbers(&order_wrong),
            order_right: numbers(&order_right),
            in_flight_wrong,
            in_flight_right,
            halves_wrong,
            halves_right,
        })
    }))?;
    Ok(finding(&evidence))
}

// [show]
/// The server. `parts` is the number of writes per reply.
async fn serve(
    connection: TcpStream,
    mode: Handlers,
    parts: usize,
    counts: Rc<InFlight>,
) -> Result<(), LessonError> {
    let (reader, writer) = connection.into_split();
    // Concurrent handlers write to one connection, so Rust requires explicit sharing of the writer.
    let writer = Rc::new(Mutex::new(writer));
    let mut handlers = Vec::new();
    let mut messages = BufReader::new(reader).lines();
    while let Some(message) = messages.next_line().await? {
        let number = message.parse().unwrap_or(0);
        let handler = handle(number, parts, writer.clone(), counts.clone());
        match mode {
            Handlers::StartAll => handlers.push(spawn_local(handler)), // the loop continues immediately
            Handlers::AwaitEach => handler.await?, // the loop continues when it has been answered
        }
    }
    for handler in handlers {
        handler.await.map_err(|error| LessonError::Part(error.to_string()))??;
    }
    Ok(())
}

/// Works for some turns of the event loop, then replies.
async fn handle(number: u32, parts: usize, writer: Shared, counts: Rc<InFlight>) -> Result<(), LessonError> {
    counts.start();
    for _ in number..=MESSAGES {
        yield_now().await; // stands for a database, a file, another server
    }
    let reply = format!("{number}{number}\n");
    for part in reply.as_bytes().chunks(reply.len().div_ceil(parts)) {
        writer.lock().await.write_all(part).await?;
        yield_now().await; // between two writes another handler may write
    }
    counts.finish();
    Ok(())
}
// [/show]

/// Sends all messages in one write. Returns the lines that come back and the maximum number of concurrent handlers.
async fn replies(mode: Handlers, parts: usize) -> Result<(Vec<String>, u32), LessonError> {
    let (mut client, connection) = connection()?;
    let messages: String = (1..=MESSAGES).map(|number| format!("{number}\n")).collect();
    client.write_all(messages.as_bytes()).await?;
    client.shutdown().await?;

    let counts = Rc::new(InFlight::default());
    let server = spawn_local(serve(connection, mode, parts, counts.clone()));
    let mut text = String::new();
    client.read_to_string(&mut text).await?;
    server.await.map_err(|error| LessonError::Part(error.to_string()))??;
    Ok((text.lines().map(str::to_owned).collect(), counts.max.get()))
}

/// A connection: the client's end and the server's.
fn connection() -> Result<(TcpStream, TcpStream), LessonError> {
    let (client, server) = loopback::connection()?;
    let of_tokio = |end: std::net::TcpStream| {
        end.set_nonblocking(true)?;
        TcpStream::from_std(end)
    };
    Ok((of_tokio(client)?, of_tokio(server)?))
}

/// The write half of a connection, shared by the handlers.
type Shared = Rc<Mutex<OwnedWriteHalf>>;

/// Number of handlers at work, and its maximum.
#[derive(Default)]
struct InFlight {
    now: Cell<u32>,
    max: Cell<u32>,
}

impl InFlight {
    fn start(&self) {
        self.now.set(self.now.get() + 1);
        self.max.set(self.max.get().max(self.now.get()));
    }

    fn finish(&self) {
        self.now.set(self.now.get() - 1);
    }
}

fn finding(e: &Evidence) -> Finding {
    let spaced = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let quoted =
        |lines: &[String]| lines.iter().map(|line| format!("\"{line}\"")).collect::<Vec<_>>().join(" ");
    let complete: Vec<String> = e.halves_wrong.iter().filter(|line| is_reply(line)).cloned().collect();
    Finding::new(e)
        .table(
            Table::new("", ["server", "replies in order of arrival", "max in flight"])
                .row(["starts all".to_owned(), spaced(&e.order_wrong), e.in_flight_wrong.to_string()])
                .row(["awaits each".to_owned(), spaced(&e.order_right), e.in_flight_right.to_string()]),
        )
        .table(
            Table::new("", ["server", "lines received with two writes per reply (digits, newline)"])
                .row(["starts all".to_owned(), quoted(&e.halves_wrong)])
                .row(["awaits each".to_owned(), quoted(&e.halves_right)]),
        )
        .explain("In short: await each handler, and you get the right order and a limit on the work in flight.")
        .explain(format!(
            "The server that does not wait for its handlers had {} messages in flight, and the replies arrived as {}. \
             TCP reordered nothing: it delivered 1 2 3 4 5, and it delivered the replies in the order in which they were \
             written. The program lost the order between reading and writing. (The work was counted in turns of the \
             event loop, of some microseconds each, so the result is the same on every machine. A database or a disk \
             takes milliseconds, and a different time each time.)",
            e.in_flight_wrong,
            spaced(&e.order_wrong),
        ))
        .explain(format!(
            "If a reply consists of two writes (here first its digits, then its newline), another handler can write between \
             them. The client received the lines {}, and {}.",
            quoted(&e.halves_wrong),
            match &complete[..] {
                [] => "none of them is a complete reply".to_owned(),
                [one] => format!("only \"{one}\" is a complete reply"),
                some => format!("only {} are complete replies", quoted(some)),
            },
        ))
        .explain(format!(
            "The server that answers each message before it reads the next replied {}, with {} in flight. A callback \
             that has returned, or a task that has been spawned, has only started its work. You have to await the end of the \
             work.",
            spaced(&e.order_right),
            count(e.in_flight_right, "message"),
        ))
        .explain(
            "Messages in flight are a hidden queue, and in the first server it has no limit. If you await each handler, you get \
             order and backpressure together: the server does not read while it waits, and TCP slows the sender down.",
        )
        .explain(
            "Rust's ownership rules prevent data races: the handlers cannot share the writer by accident (see --show-code). They \
             do not prevent this race, because each single write is correct. Only the order of the writes is wrong.",
        )
        .claim(
            "handlers that are not awaited reply out of order",
            !e.order_wrong.is_sorted() && e.order_wrong.len() == e.sent.len(),
            spaced(&e.order_wrong),
        )
        .claim("awaited handlers reply in order", e.order_right == e.sent, spaced(&e.order_right))
        .claim(
            "several messages are in flight without awaiting, one with it",
            e.in_flight_wrong > 1 && e.in_flight_right == 1,
            format!("starts all {}, awaits each {}", e.in_flight_wrong, e.in_flight_right),
        )
        .claim(
            "replies of two writes get mixed up only if handlers are not awaited",
            !are_replies(&e.halves_wrong) && are_replies(&e.halves_right),
            format!("starts all {}; awaits each {}", quoted(&e.halves_wrong), quoted(&e.halves_right)),
        )
        .measured(if e.order_wrong.is_sorted() { 'a' } else { 'b' })
}

/// The message numbers of complete replies.
fn numbers(lines: &[String]) -> Vec<u32> {
    lines.iter().filter_map(|line| line.get(..1)?.parse().ok()).collect()
}

/// Whether this line is the reply to some message.
fn is_reply(line: &str) -> bool {
    (1..=MESSAGES).any(|number| line == format!("{number}{number}"))
}

/// Whether each line is the reply to some message.
fn are_replies(lines: &[String]) -> bool {
    (1..=MESSAGES).all(|number| lines.contains(&format!("{number}{number}")))
        && lines.len() == MESSAGES as usize
}

/// Number of messages sent: enough to see their order.
const MESSAGES: u32 = 5;

//! `race`: a callback that has returned is not a message that has been handled. Messages that are answered at the same
//! time are answered in any order; awaiting each answer restores the order, and a bound.
//!
//! Nothing here depends on the clock: the work of a message is counted in turns of the event loop, the first message has
//! the most, and so the result is the same on every machine.

use std::cell::Cell;
use std::rc::Rc;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Mutex;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::kit::measure;
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "race",
    idea: "a callback that returned is not done: replies out of order",
    question: Question {
        text: "A client sends the messages 1 2 3 4 5 over one TCP connection. For each message that arrives, the server \
               starts a handler that works for a while (5 turns of the event loop for 1, 4 for 2, and so on to 1 turn for 5) and \
               then writes the reply. It does not \
               wait for a handler before it starts the next. In what order do the replies arrive?",
        choices: &["1 2 3 4 5: TCP keeps the order", "5 4 3 2 1", "1 2 3 4 5, each as late as the first"],
    },
    code: Code {
        source: include_str!("race.rs"),
        node: Some(
            "// wrong: 'data' is emitted again while the handler of the last message still waits\n\
             socket.on('data', async message => {\n    \
                 const reply = await work(message);\n    \
                 socket.write(reply);\n\
             });\n\n\
             // right: one loop that awaits; the next message is read when this one is answered\n\
             while (true) {\n    \
                 const message = await soRead(conn);\n    \
                 if (message.length === 0) break;          // EOF\n    \
                 await soWrite(conn, await work(message));\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson race --show-code", "the two servers, side by side, and the same in Node"),
        ("echoctl lesson unbounded", "what happens when nothing bounds the messages in flight"),
        ("echoctl lesson backpressure", "what awaiting the write brings along"),
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
    /// The lines that arrive when each reply is written in two halves, handlers at once.
    halves_wrong: Vec<String>,
    /// The same, awaited.
    halves_right: Vec<String>,
}

/// How the server treats its messages.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// A handler is started for each message, and nobody waits for it.
    StartAll,
    /// Each message is answered before the next is taken.
    AwaitEach,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    // Sabotage: the wrong server awaits too, and then nothing can overtake.
    let wrong = if setting.sabotage { Way::AwaitEach } else { Way::StartAll };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let evidence = runtime.block_on(LocalSet::new().run_until(async {
        let (order_wrong, in_flight_wrong) = replies(wrong, 1).await?;
        let (order_right, in_flight_right) = replies(Way::AwaitEach, 1).await?;
        let (halves_wrong, _) = replies(wrong, 2).await?;
        let (halves_right, _) = replies(Way::AwaitEach, 2).await?;
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
/// The server. `parts` is the number of writes that a reply takes.
async fn serve(
    connection: TcpStream,
    way: Way,
    parts: usize,
    counts: Rc<InFlight>,
) -> Result<(), LessonError> {
    let (reader, writer) = connection.into_split();
    // Two handlers at once want to write, so the writer must be shared: Rust asks for it in so many words.
    let writer = Rc::new(Mutex::new(writer));
    let mut handlers = Vec::new();
    let mut messages = BufReader::new(reader).lines();
    while let Some(message) = messages.next_line().await? {
        let number = message.parse().unwrap_or(0);
        let handler = handle(number, parts, writer.clone(), counts.clone());
        match way {
            Way::StartAll => handlers.push(spawn_local(handler)), // the loop goes on at once
            Way::AwaitEach => handler.await?,                     // the loop goes on when it is answered
        }
    }
    for handler in handlers {
        handler.await.map_err(|error| LessonError::Part(error.to_string()))??;
    }
    Ok(())
}

/// Works for some turns of the event loop, then replies.
async fn handle(number: u32, parts: usize, writer: Shared, counts: Rc<InFlight>) -> Result<(), LessonError> {
    counts.one_more();
    for _ in number..=MESSAGES {
        yield_now().await; // a database, a file, another server …
    }
    let reply = format!("{number}{number}\n");
    for part in reply.as_bytes().chunks(reply.len().div_ceil(parts)) {
        writer.lock().await.write_all(part).await?;
        yield_now().await; // between two writes anybody may write
    }
    counts.one_less();
    Ok(())
}
// [/show]

/// Sends all messages in one write, and returns the lines that come back and the most handlers that were at work.
async fn replies(way: Way, parts: usize) -> Result<(Vec<String>, u32), LessonError> {
    let (mut client, connection) = connection()?;
    let messages: String = (1..=MESSAGES).map(|number| format!("{number}\n")).collect();
    client.write_all(messages.as_bytes()).await?;
    client.shutdown().await?;

    let counts = Rc::new(InFlight::default());
    let server = spawn_local(serve(connection, way, parts, counts.clone()));
    let mut text = String::new();
    client.read_to_string(&mut text).await?;
    server.await.map_err(|error| LessonError::Part(error.to_string()))??;
    Ok((text.lines().map(str::to_owned).collect(), counts.most.get()))
}

/// A connection: the client's end and the server's.
fn connection() -> Result<(TcpStream, TcpStream), LessonError> {
    let (client, server) = measure::connection()?;
    let of_tokio = |end: std::net::TcpStream| {
        end.set_nonblocking(true)?;
        TcpStream::from_std(end)
    };
    Ok((of_tokio(client)?, of_tokio(server)?))
}

/// The half of a connection that replies go to, shared by handlers.
type Shared = Rc<Mutex<OwnedWriteHalf>>;

/// Handlers at work, and the most there were.
#[derive(Default)]
struct InFlight {
    now: Cell<u32>,
    most: Cell<u32>,
}

impl InFlight {
    fn one_more(&self) {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
    }

    fn one_less(&self) {
        self.now.set(self.now.get() - 1);
    }
}

fn finding(e: &Evidence) -> Finding {
    let spaced = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let quoted =
        |lines: &[String]| lines.iter().map(|line| format!("\"{line}\"")).collect::<Vec<_>>().join(" ");
    let finding = Finding::new(e)
        .table(
            Table::new(["server", "replies in order of arrival", "most in flight"])
                .row(["starts all".to_owned(), spaced(&e.order_wrong), e.in_flight_wrong.to_string()])
                .row(["awaits each".to_owned(), spaced(&e.order_right), e.in_flight_right.to_string()]),
        )
        .table(
            Table::new(["server", "lines when a reply takes two writes"])
                .row(["starts all".to_owned(), quoted(&e.halves_wrong)])
                .row(["awaits each".to_owned(), quoted(&e.halves_right)]),
        )
        .explain(format!(
            "The server that starts a handler and goes on had {} messages in flight, and the replies came as {}. TCP \
             reordered nothing: it delivered 1 2 3 4 5, and delivered the replies in the order in which they were written. \
             The order was lost between reading and writing, in the program. (The work was counted in turns of the event \
             loop, some microseconds each, so that the result is the same on every machine. A database or a disk takes \
             milliseconds, and as long as it likes.)",
            e.in_flight_wrong,
            spaced(&e.order_wrong),
        ))
        .explain(format!(
            "Where a reply takes two writes, a second handler writes between them: the client read the lines {}. \
             Nobody sent these.",
            quoted(&e.halves_wrong),
        ))
        .explain(format!(
            "The server that awaits each answer before it takes the next message replied {} with {} in flight. A callback \
             that has returned (or a task that has been started) has only begun: its end is what must be awaited.",
            spaced(&e.order_right),
            e.in_flight_right,
        ))
        .explain(
            "Messages in flight are a queue that nobody sees: the first server has no limit to it. Whoever awaits gets \
             order and backpressure in one: while it waits it does not read, and the sender is held back by TCP.",
        )
        .explain(
            "Rust's ownership forbids data races: two handlers cannot share the writer by accident, its code (--show-code) has to \
             say so. It does not forbid this race, which is one of order: every single write there is correct.",
        )
        .claim(
            "started at once, the replies come out of order",
            !e.order_wrong.is_sorted() && e.order_wrong.len() == e.sent.len(),
            spaced(&e.order_wrong),
        )
        .claim("awaited, they come in order", e.order_right == e.sent, spaced(&e.order_right))
        .claim(
            "more than one in flight against exactly one",
            e.in_flight_wrong > 1 && e.in_flight_right == 1,
            format!("{} against {}", e.in_flight_wrong, e.in_flight_right),
        )
        .claim(
            "replies of two writes are mixed up in the first server alone",
            !are_replies(&e.halves_wrong) && are_replies(&e.halves_right),
            format!("{} against {}", quoted(&e.halves_wrong), quoted(&e.halves_right)),
        );
    match e.order_wrong.is_sorted() {
        true => finding.measured('a'),
        false => finding.measured('b'),
    }
}

/// The message numbers of whole replies.
fn numbers(lines: &[String]) -> Vec<u32> {
    lines.iter().filter_map(|line| line.get(..1)?.parse().ok()).collect()
}

/// Whether each line is the reply to some message.
fn are_replies(lines: &[String]) -> bool {
    (1..=MESSAGES).all(|number| lines.contains(&format!("{number}{number}")))
        && lines.len() == MESSAGES as usize
}

/// Messages sent: enough to see an order in.
const MESSAGES: u32 = 5;

//! The story: what the demo says in words, the same in the terminal and on the page.

use echoctl_record::{Bytes, Queues, Rate, Sample, Seconds};

use super::outcome::in_kernel;
use super::{Outcome, Plan, SideOutcome};
use crate::kit::Question;

/// What is about to happen, before the question.
pub fn introduction(plan: &Plan) -> String {
    format!(
        "Two echo servers on this machine. One line differs: {OFF_LINE} or {ON_LINE}. A client sends {} to each and reads \
         the replies. After {} s it stops reading and keeps trying to send.",
        Rate(plan.rate as f64),
        plan.read.as_secs()
    )
}

/// The question that the learner answers first.
pub const QUESTION: Question = Question {
    text: "With backpressure on, what happens?",
    choices: &[
        "memory grows, but slower",
        "replies are lost",
        "the client has to stop sending",
        "the server crashes",
    ],
};

/// The letter of the answer that the run bears out.
pub const ANSWER: char = 'c';

/// What the server without backpressure does with a reply.
pub const OFF_LINE: &str = "queue.push(reply)";

/// What the server with backpressure does with a reply.
pub const ON_LINE: &str = "write(reply).await";

/// What both sides had in common and what it cost each: the closing sentence.
pub fn conclusion(outcome: &Outcome) -> String {
    let (off, on) = (&outcome.off, &outcome.on);
    if off.summary.verified == outcome.plan.total && on.summary.verified == outcome.plan.total {
        format!(
            "All {} came back to each client, every byte equal. OFF needed {} of memory for that, ON {}.",
            Bytes(outcome.plan.total),
            off.growth(),
            on.growth()
        )
    } else {
        format!(
            "Of {} each, {} came back right from OFF and {} from ON. OFF grew by {}, ON by {}.",
            Bytes(outcome.plan.total),
            Bytes(off.summary.verified),
            Bytes(on.summary.verified),
            off.growth(),
            on.growth()
        )
    }
}

/// Why the one line rises and the other is flat, a paragraph each, with the figures of this run.
pub fn explanation(outcome: &Outcome) -> Vec<String> {
    let plan = &outcome.plan;
    let off = outcome.off.when_stopped(plan);
    let on = outcome.on.when_stopped(plan);
    let kernel = |sample| in_kernel(sample).map_or_else(|| "some".to_owned(), |bytes| bytes.to_string());
    let inside = Queues::of(&off).inside_server.map_or(outcome.off.growth(), Bytes);
    vec![
        format!(
            "What was sent: {} to each server in lines of {}, {} while all went well. Each line comes back as it is. \
             From {} s to {} s the clients did not read what came back.",
            Bytes(plan.total),
            Bytes(plan.frame),
            Rate(plan.rate as f64),
            plan.read.as_secs(),
            plan.resumes_at()
        ),
        format!(
            "OFF rose because its server went on reading. It put each reply into a queue that has no limit, in its own \
             memory, and nothing told the client to slow down: when the client read again, {} had been sent and not \
             read back, {inside} of it inside the server and {} in the kernel's buffers. A client that never reads \
             again ends such a server.{}",
            Bytes(off.produced.saturating_sub(off.consumed)),
            kernel(&off),
            kept_memory(&outcome.off)
        ),
        format!(
            "ON stayed flat because its server reads the next line only when the last reply is written. With the \
             kernel's buffers full ({} wait there), the write did not complete; so the server stopped reading, TCP's \
             receive window closed, and the client's own writes stopped too. It was held back for {}. Held back is not \
             dropped: it sent the rest later. That is backpressure. It is not free: what waits in the kernel stays \
             there, and the connection with it, until the client reads or a timeout ends it.",
            kernel(&on),
            Seconds(outcome.on.summary.stalled_seconds)
        ),
    ]
}

/// A sentence on memory that stays with a process after its queue is empty, where that was so.
fn kept_memory(side: &SideOutcome) -> String {
    let memory = |sample: &Sample| sample.server_memory;
    let left = side.samples.last().and_then(memory).zip(side.samples.first().and_then(memory));
    match left.map(|(last, first)| last.saturating_sub(first)) {
        Some(kept) if kept >= NOTABLE => format!(
            " (The queue is empty at the end; the {} that stay are free, and kept by the memory allocator for later.)",
            Bytes(kept)
        ),
        _ => String::new(),
    }
}

/// Memory worth a sentence, in bytes: it shows in the picture.
const NOTABLE: u64 = 8 << 20;

/// Commands to try next, each with what it shows.
pub const NEXT: [(&str, &str); 4] = [
    ("echoctl serve --backpressure off", "in one terminal: the bug"),
    ("echoctl flood --no-read", "in another: a client that never reads"),
    ("echoctl serve --backpressure bounded", "a queue with a limit: what changes?"),
    ("echoctl serve --help", "all policies, and what a slow peer sees"),
];

/// What to say to a learner who guessed `guess`.
pub fn verdict_on(guess: char) -> String {
    let text = |letter| QUESTION.lettered().find(|(known, _)| *known == letter).map_or("", |(_, text)| text);
    let answer = format!("{ANSWER}) {}", text(ANSWER));
    if guess == ANSWER {
        format!("You said {answer}. So it was.")
    } else {
        format!("You said {guess}) {}. Measured: {answer}.", text(guess))
    }
}

//! The demo's texts, the same in the terminal and on the page.

use echoctl_record::{Bytes, Queue, Queues, Rate, Sample, Seconds, SocketLimits, Verdict};

use super::outcome::in_kernel;
use super::{Outcome, Plan, SideOutcome};
use crate::kit::Question;

/// What is about to happen, printed before the question.
pub fn introduction(plan: &Plan) -> String {
    format!(
        "Two echo servers run on this machine. One line differs: {OFF_LINE} or {ON_LINE}. A client tries to send {} to \
         each server and reads the replies. After {} s the clients stop reading and keep trying to send; after {} s they \
         read again, and what was held back is sent as fast as possible.",
        Rate(plan.rate as f64),
        plan.read.as_secs(),
        plan.resumes_at(),
    )
}

/// The question that the learner answers first.
pub const QUESTION: Question = Question {
    text: "With backpressure on, what happens while the client does not read?",
    choices: &[
        "the server's memory grows, but more slowly",
        "replies are lost",
        "the client has to stop sending",
        "the server crashes",
    ],
};

/// The letter of the right answer.
pub const ANSWER: char = 'c';

/// What the server without backpressure does with a reply.
pub const OFF_LINE: &str = "queue.push(reply)";

/// What the server with backpressure does with a reply.
pub const ON_LINE: &str = "write(reply).await";

/// The closing sentences: what both sides did, the memory that they needed, and what the queue gained.
pub fn conclusion(outcome: &Outcome) -> String {
    let (off, on) = (&outcome.off, &outcome.on);
    if off.summary.verified() == outcome.plan.total && on.summary.verified() == outcome.plan.total {
        format!(
            "All {} came back to each client, every byte identical. Memory growth of the server processes (waiting bytes and \
             everything else): OFF {}, ON {}.{}",
            Bytes(outcome.plan.total),
            off.growth(),
            on.growth(),
            gain(outcome),
        )
    } else {
        format!(
            "Of {} each, {} came back identical from OFF and {} from ON. Memory growth of the server processes (waiting bytes \
             and everything else): OFF {}, ON {}.",
            Bytes(outcome.plan.total),
            Bytes(off.summary.verified()),
            Bytes(on.summary.verified()),
            off.growth(),
            on.growth()
        )
    }
}

/// Whether the queue of the server without backpressure saved any time.
fn gain(outcome: &Outcome) -> String {
    let [off, on] = [&outcome.off, &outcome.on].map(|side| side.summary.seconds);
    let queue = Queues::within(&outcome.off.when_stopped(&outcome.plan), &outcome.limits)[Queue::Inside];
    match queue {
        Some(queue) if (off - on).abs() < SAME_TIME => format!(
            " Both were done after {}: the {} queue made OFF no faster.",
            Seconds(off.max(on)),
            Bytes(queue)
        ),
        _ => format!(" OFF was done after {}, ON after {}.", Seconds(off), Seconds(on)),
    }
}

/// Seconds by which two runs may differ and still count as equally fast: the noise of two processes on one machine.
const SAME_TIME: f64 = 0.5;

/// The heading of [`explanation`].
pub fn heading(outcome: &Outcome) -> &'static str {
    if outcome.holds() { "Why one line rises and the other is flat" } else { "What this run showed" }
}

/// Why the lines look as they do, one paragraph each, with the figures of this run. For a side without the expected verdict,
/// the paragraph has its figures and the location of its bytes instead.
pub fn explanation(outcome: &Outcome) -> Vec<String> {
    let plan = &outcome.plan;
    let work = format!(
        "The work: {} to each server in lines of {} (each line is a frame). The client tried to send {}; what was held \
         back was sent as fast as possible after {} s. The server sends each line back. From {} s to {} s the clients \
         did not read.",
        Bytes(plan.total),
        Bytes(plan.frame),
        Rate(plan.rate as f64),
        plan.resumes_at(),
        plan.read.as_secs(),
        plan.resumes_at()
    );
    let off = if outcome.off.is(Verdict::Unbounded) {
        rose(outcome)
    } else {
        unexpected("OFF", outcome, &outcome.off)
    };
    let on = if outcome.on.is(Verdict::Bounded) {
        stayed_flat(outcome)
    } else {
        unexpected("ON", outcome, &outcome.on)
    };
    vec![work, off, on]
}

/// Why the memory of the server without backpressure rose.
fn rose(outcome: &Outcome) -> String {
    let off = &outcome.off;
    let stopped = off.when_stopped(&outcome.plan);
    let inside = Queues::within(&stopped, &outcome.limits)[Queue::Inside]
        .map_or_else(|| off.growth(), |bytes| Bytes(bytes).to_string());
    format!(
        "OFF rose because its server kept reading. It put each reply into an unbounded queue in its own memory, and \
         nothing slowed the client down. Just before the client read again, {} were pending (written and not read back): \
         {inside} waiting inside the server and {} in kernel queues. One client that never reads again will crash such a \
         server.{}",
        pending(&stopped),
        kernel(&stopped, &outcome.limits),
        retained_memory(off)
    )
}

/// Why the memory of the server with backpressure stayed flat.
fn stayed_flat(outcome: &Outcome) -> String {
    let on = &outcome.on;
    let rest = if on.summary.produced == outcome.plan.total {
        " Held back does not mean dropped: it sent the rest later."
    } else {
        ""
    };
    format!(
        "ON stayed flat because its server reads the next line only when the last reply has been written. When the kernel \
         queues were full ({} waited there; how much fits differs between runs, because the kernel resizes its buffers), the \
         write did not complete. So the server stopped reading, TCP's receive window \
         closed, and the client's own writes blocked. The client was held back for {}.{rest} That is backpressure. It is not \
         free: the bytes in the kernel stay there, and the connection stays open, until the client reads or a timeout closes \
         it.",
        kernel(&on.when_stopped(&outcome.plan), &outcome.limits),
        Seconds(on.summary.stalled_seconds)
    )
}

/// What a side without the expected verdict did instead.
fn unexpected(name: &str, outcome: &Outcome, side: &SideOutcome) -> String {
    let stopped = side.when_stopped(&outcome.plan);
    let reason = side.summary.reason.as_deref().unwrap_or("no reason given");
    let pending = pending(&stopped);
    let cause = match in_kernel(&stopped, &outcome.limits) {
        // A guess only where the kernel had most of it.
        Some(Bytes(kernel)) if kernel > 0 && kernel >= pending.0 / 2 => {
            " The kernel queues are so large here that they accepted most of it: the server had nothing to buffer, and the \
             client did not have to wait (net.ipv4.tcp_rmem and tcp_wmem set their sizes)."
        }
        _ => "",
    };
    format!(
        "{name} did not show what it should: {reason}. Just before the client read again, {} were pending (written and not read \
         back), {} of them in kernel queues.{cause}",
        pending,
        kernel(&stopped, &outcome.limits),
    )
}

/// Written by the client and not read back.
fn pending(sample: &Sample) -> Bytes {
    Bytes(sample.produced.saturating_sub(sample.consumed))
}

fn kernel(sample: &Sample, limits: &SocketLimits) -> String {
    in_kernel(sample, limits).map_or_else(|| "some".to_owned(), |bytes| bytes.to_string())
}

/// A sentence on memory that the process keeps after its queue is empty, if it keeps any.
fn retained_memory(side: &SideOutcome) -> String {
    let memory = |sample: &Sample| sample.server_memory;
    let left = side.samples.last().and_then(memory).zip(side.samples.first().and_then(memory));
    match left.map(|(last, first)| last.saturating_sub(first)) {
        Some(kept) if kept >= NOTABLE => format!(
            " (Its memory stays at {} although its queue is empty at the end: the allocator keeps the freed pages for later. \
             Judge how much memory grows, not whether it returns.)",
            Bytes(kept)
        ),
        _ => String::new(),
    }
}

/// Bytes of retained memory worth a sentence: visible in the chart.
const NOTABLE: u64 = 8 << 20;

/// Commands to try next, and what each one shows.
pub const NEXT: [(&str, &str); 4] = [
    ("echoctl serve --backpressure off", "in one terminal: the bug"),
    ("echoctl flood --no-read", "in another: a client that never reads"),
    ("echoctl serve --backpressure bounded", "a queue with a limit: what changes?"),
    ("echoctl serve --help", "all policies, and what a slow peer experiences"),
];

/// The answer to a learner who guessed `guess`.
pub fn feedback(guess: char, outcome: &Outcome) -> String {
    let text = |letter| QUESTION.lettered().find(|(known, _)| *known == letter).map_or("", |(_, text)| text);
    let answer = format!("{ANSWER}) {}", text(ANSWER));
    if !outcome.on.is(Verdict::Bounded) {
        format!("You said {guess}) {}. This run does not answer the question.", text(guess))
    } else if guess == ANSWER {
        format!("You said {answer}. That is right.")
    } else {
        format!("You said {guess}) {}. Measured: {answer}.", text(guess))
    }
}

#[cfg(test)]
mod tests {
    use echoctl_record::Summary;

    use super::*;

    /// A side with this verdict.
    fn side(verdict: Verdict) -> SideOutcome {
        let sample = Sample { t: 5.0, produced: 100 << 20, ..Sample::default() };
        let reason = Some("the reason".to_owned());
        let summary = Summary { verdict: Some(verdict), reason, ..Summary::new("127.0.0.1:1".to_owned()) };
        SideOutcome { summary, samples: vec![sample] }
    }

    fn outcome(off: Verdict, on: Verdict) -> Outcome {
        Outcome { plan: Plan::FULL, limits: SocketLimits::default(), off: side(off), on: side(on) }
    }

    #[test]
    fn a_side_is_explained_only_if_it_has_its_verdict() {
        for off in [Verdict::Unbounded, Verdict::Bounded, Verdict::Inconclusive] {
            for on in [Verdict::Bounded, Verdict::Unbounded, Verdict::Inconclusive] {
                let outcome = outcome(off, on);
                let text = format!("{} {}", heading(&outcome), explanation(&outcome).join(" "));

                assert_eq!(text.contains("OFF rose"), off == Verdict::Unbounded, "{off}, {on}: {text}");
                assert_eq!(text.contains("ON stayed flat"), on == Verdict::Bounded, "{off}, {on}: {text}");
                assert_eq!(text.contains("Why one line rises"), outcome.holds(), "{off}, {on}: {text}");
                assert_eq!(text.contains("the reason"), !outcome.holds(), "{off}, {on}: {text}");
                assert_eq!(
                    feedback(ANSWER, &outcome).contains("That is right"),
                    on == Verdict::Bounded,
                    "{off}, {on}"
                );
            }
        }
    }

    #[test]
    fn memory_that_is_not_visible_is_not_called_zero() {
        let text = conclusion(&outcome(Verdict::Inconclusive, Verdict::Inconclusive));

        assert!(text.contains("OFF not visible, ON not visible"), "{text}");
    }
}

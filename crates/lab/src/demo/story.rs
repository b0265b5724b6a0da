//! The story: what the demo says in words, the same in the terminal and on the page.

use echoctl_record::{Bytes, Queues, Rate, Sample, Seconds, Verdict};

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
    if off.summary.verified() == outcome.plan.total && on.summary.verified() == outcome.plan.total {
        format!(
            "All {} came back to each client, every byte equal. Memory that it took: OFF {}, ON {}.",
            Bytes(outcome.plan.total),
            off.growth(),
            on.growth()
        )
    } else {
        format!(
            "Of {} each, {} came back right from OFF and {} from ON. Memory that it took: OFF {}, ON {}.",
            Bytes(outcome.plan.total),
            Bytes(off.summary.verified()),
            Bytes(on.summary.verified()),
            off.growth(),
            on.growth()
        )
    }
}

/// The heading of [`explanation`].
pub fn heading(outcome: &Outcome) -> &'static str {
    if outcome.holds() { "Why one line rises and the other is flat" } else { "What this run showed" }
}

/// Why the lines are as they are, a paragraph each, with the figures of this run. What a side did not show is not
/// explained as if it had: then its figures are told, and where its bytes were.
pub fn explanation(outcome: &Outcome) -> Vec<String> {
    let plan = &outcome.plan;
    let what_was_sent = format!(
        "What was sent: {} to each server in lines of {}, {} while all went well. Each line comes back as it is. \
         From {} s to {} s the clients did not read what came back.",
        Bytes(plan.total),
        Bytes(plan.frame),
        Rate(plan.rate as f64),
        plan.read.as_secs(),
        plan.resumes_at()
    );
    let off = if outcome.off.is(Verdict::Unbounded) {
        rose(plan, &outcome.off)
    } else {
        unlike("OFF", plan, &outcome.off)
    };
    let on = if outcome.on.is(Verdict::Bounded) {
        stayed_flat(plan, &outcome.on)
    } else {
        unlike("ON", plan, &outcome.on)
    };
    vec![what_was_sent, off, on]
}

/// Why the server without backpressure rose.
fn rose(plan: &Plan, off: &SideOutcome) -> String {
    let stopped = off.when_stopped(plan);
    let inside =
        Queues::of(&stopped).inside_server.map_or_else(|| off.growth(), |bytes| Bytes(bytes).to_string());
    format!(
        "OFF rose because its server went on reading. It put each reply into a queue that has no limit, in its own \
         memory, and nothing told the client to slow down: when the client read again, {} had been sent and not \
         read back, {inside} of it inside the server and {} in the kernel's buffers. A client that never reads \
         again ends such a server.{}",
        pending(&stopped),
        kernel(&stopped),
        retained_memory(off)
    )
}

/// Why the server with backpressure did not.
fn stayed_flat(plan: &Plan, on: &SideOutcome) -> String {
    let rest = if on.summary.produced == plan.total {
        " Held back is not dropped: it sent the rest later."
    } else {
        ""
    };
    format!(
        "ON stayed flat because its server reads the next line only when the last reply is written. With the \
         kernel's buffers full ({} wait there), the write did not complete; so the server stopped reading, TCP's \
         receive window closed, and the client's own writes stopped too. It was held back for {}.{rest} \
         That is backpressure. It is not free: what waits in the kernel stays \
         there, and the connection with it, until the client reads or a timeout ends it.",
        kernel(&on.when_stopped(plan)),
        Seconds(on.summary.stalled_seconds)
    )
}

/// What a side did that is not what it is there to show.
fn unlike(name: &str, plan: &Plan, side: &SideOutcome) -> String {
    let stopped = side.when_stopped(plan);
    let reason = side.summary.reason.as_deref().unwrap_or("no reason is known");
    let pending_bytes = stopped.produced.saturating_sub(stopped.consumed);
    let cause = match in_kernel(&stopped) {
        // The rest may be anywhere; this is where it was.
        Some(Bytes(kernel)) if kernel > 0 && kernel >= pending_bytes / 2 => {
            " The kernel's buffers are so large here that they took most of it: the server had nothing to hold, and the \
             client nothing to wait for (net.ipv4.tcp_rmem and tcp_wmem set their sizes)."
        }
        _ => "",
    };
    format!(
        "{name} did not show what it should: {reason}. When the client read again, {} had been sent and not read back, {} \
         of it in the kernel's buffers.{cause}",
        pending(&stopped),
        kernel(&stopped),
    )
}

/// Sent by the client and not read back.
fn pending(sample: &Sample) -> Bytes {
    Bytes(sample.produced.saturating_sub(sample.consumed))
}

fn kernel(sample: &Sample) -> String {
    in_kernel(sample).map_or_else(|| "some".to_owned(), |bytes| bytes.to_string())
}

/// A sentence on memory that stays with a process after its queue is empty, where that was so.
fn retained_memory(side: &SideOutcome) -> String {
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
pub fn feedback(guess: char, outcome: &Outcome) -> String {
    let text = |letter| QUESTION.lettered().find(|(known, _)| *known == letter).map_or("", |(_, text)| text);
    let answer = format!("{ANSWER}) {}", text(ANSWER));
    if !outcome.on.is(Verdict::Bounded) {
        format!("You said {guess}) {}. This run shows neither that nor anything else.", text(guess))
    } else if guess == ANSWER {
        format!("You said {answer}. So it was.")
    } else {
        format!("You said {guess}) {}. Measured: {answer}.", text(guess))
    }
}

#[cfg(test)]
mod tests {
    use echoctl_record::Summary;

    use super::*;

    /// A side of which the run says `verdict`.
    fn side(verdict: Verdict) -> SideOutcome {
        let sample = Sample { t: 5.0, produced: 100 << 20, ..Sample::default() };
        let reason = Some("the reason".to_owned());
        let summary = Summary { verdict: Some(verdict), reason, ..Summary::new("127.0.0.1:1".to_owned()) };
        SideOutcome { summary, samples: vec![sample] }
    }

    fn outcome(off: Verdict, on: Verdict) -> Outcome {
        Outcome { plan: Plan::FULL, off: side(off), on: side(on) }
    }

    #[test]
    fn what_is_explained_is_what_was_measured() {
        for off in [Verdict::Unbounded, Verdict::Bounded, Verdict::Inconclusive] {
            for on in [Verdict::Bounded, Verdict::Unbounded, Verdict::Inconclusive] {
                let outcome = outcome(off, on);
                let told = format!("{} {}", heading(&outcome), explanation(&outcome).join(" "));

                assert_eq!(told.contains("OFF rose"), off == Verdict::Unbounded, "{off}, {on}: {told}");
                assert_eq!(told.contains("ON stayed flat"), on == Verdict::Bounded, "{off}, {on}: {told}");
                assert_eq!(told.contains("Why one line rises"), outcome.holds(), "{off}, {on}: {told}");
                assert_eq!(told.contains("the reason"), !outcome.holds(), "{off}, {on}: {told}");
                assert_eq!(
                    feedback(ANSWER, &outcome).contains("So it was"),
                    on == Verdict::Bounded,
                    "{off}, {on}"
                );
            }
        }
    }

    #[test]
    fn memory_that_is_not_visible_is_not_called_zero() {
        let told = conclusion(&outcome(Verdict::Inconclusive, Verdict::Inconclusive));

        assert!(told.contains("OFF not visible, ON not visible"), "{told}");
    }
}

//! Remedies for each verdict, with what each one costs.

use echoctl_record::Verdict;

use super::summary::Summary;

/// A remedy: its name, and what it does and costs.
type Remedy = (&'static str, &'static str);

/// Remedies for the verdict and the findings beside it, each once; none if nothing is wrong.
pub(super) fn remedies(summary: &Summary) -> Vec<Remedy> {
    for_all([summary.verdict].into_iter().chain(summary.others()))
}

fn for_all(verdicts: impl Iterator<Item = Verdict>) -> Vec<Remedy> {
    let mut all: Vec<Remedy> = Vec::new();
    for remedy in verdicts.flat_map(of) {
        if !all.contains(remedy) {
            all.push(*remedy);
        }
    }
    all
}

/// Remedies for one verdict.
pub(super) fn of(verdict: Verdict) -> &'static [Remedy] {
    match verdict {
        Verdict::Unbounded | Verdict::Crashes | Verdict::Spills => &BOUND,
        Verdict::Starves => &ISOLATE,
        Verdict::Corrupts => &KEEP_INTACT,
        Verdict::Discards => &[(
            "report what is dropped",
            "memory is safe, but a client that reads later misses data: count it, log it, or inform the client",
        )],
        Verdict::Bounded | Verdict::Disconnects | Verdict::Slow | Verdict::Inconclusive => &[],
    }
}

/// Ways to bound what is buffered for a client.
const BOUND: [Remedy; 6] = [
    (
        "await the write",
        "read the next input only when the write has completed; needs no queue, but a slow client's connection and its kernel \
         memory stay until it reads or times out. Over HTTP/2 and gRPC wait until the stream accepts more: their libraries queue \
         what exceeds the client's windows",
    ),
    (
        "bound the queue",
        "put a bounded queue between reader and writer, and wait while it is full; costs up to the limit per connection",
    ),
    (
        "pause and resume",
        "stop reading at a high watermark and resume at a low one; costs up to the high watermark per connection",
    ),
    (
        "drop",
        "drop what does not fit, and count it; loses data, so use it for feeds in which only the newest value counts",
    ),
    ("disconnect", "disconnect a client whose queue exceeds the limit; costs that client its connection"),
    TIME_OUT,
];

/// Ways to serve others while one client does not read.
const ISOLATE: [Remedy; 5] = [
    (
        "do not block",
        "a thread that blocks in a write to one client serves no other one meanwhile: use non-blocking or asynchronous writes, or a \
         thread per connection; costs memory for what is not written yet, so bound it",
    ),
    (
        "one queue per client",
        "a queue, a buffer pool or a limit that all clients share is full for all of them once one client has filled it: give each \
         client its own share; costs up to that share per client",
    ),
    (
        "no lock while writing",
        "a write to a slow client may take for ever: release locks and return connections to their pool before it; costs a copy \
         of the data",
    ),
    (
        "let one subscriber fall behind",
        "where messages go to many clients, drop them for the slow one or disconnect it, instead of waiting for it",
    ),
    TIME_OUT,
];

/// Ways to send what was to be sent.
const KEEP_INTACT: [Remedy; 5] = [
    (
        "send the rest",
        "a write may accept only a part (short write): keep the rest, and write it first when the socket is writable again",
    ),
    (
        "go on afterwards",
        "when that is written, read on, also what came meanwhile: edge-triggered polling reports it only once, so read and write until \
         both would block",
    ),
    (
        "keep buffers until they are written",
        "a buffer that is used again or returned to its pool before its write has completed sends other data: give it up only \
         then, or copy it; costs memory for each pending write",
    ),
    (
        "one writer per connection",
        "tasks that write to one connection at the same time mix their bytes: let one of them write, or hold a lock per connection \
         for a complete message",
    ),
    (
        "drop complete messages",
        "where data must be dropped, drop whole messages, never a part of one, and count them; a client then misses messages, but \
         can read the next one",
    ),
];

const TIME_OUT: Remedy = (
    "time out",
    "disconnect a client that accepts no bytes for some seconds (write timeout); costs slow clients their connections",
);

#[cfg(test)]
mod tests {
    use echoctl_record::Class;

    use super::*;

    #[test]
    fn every_unsafe_verdict_has_remedies_each_once() {
        for verdict in Verdict::ALL {
            assert!(
                verdict.class() != Class::Unsafe || for_all([verdict].into_iter()).len() > 3,
                "{verdict}"
            );
        }
        let all = for_all(Verdict::UNSAFE.into_iter());
        assert_eq!(all.iter().filter(|(name, _)| *name == "time out").count(), 1);
        assert_eq!(for_all([Verdict::Bounded].into_iter()), []);
    }
}

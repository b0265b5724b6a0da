//! The remedies: what to do about a verdict, by name, each with what it costs.

use echoctl_record::Verdict;

/// Ways to bound a server, as a list for people; none where nothing is wrong.
pub(super) fn remedies(verdict: Verdict) -> &'static [(&'static str, &'static str)] {
    match verdict {
        Verdict::Unbounded | Verdict::Crashes | Verdict::Spills => &[
            (
                "await the write",
                "read on only when the write is done; costs no queue, but a slow peer's connection and its kernel memory \
                 stay until it reads, or a timeout ends it",
            ),
            (
                "bound the queue",
                "a limit between reader and writer, wait when full; costs the limit a connection",
            ),
            (
                "pause and resume",
                "stop reading at a high mark, go on at a low one; costs the mark a connection",
            ),
            (
                "drop",
                "throw away what does not fit and say so; costs data, for feeds where only the newest counts",
            ),
            ("disconnect", "hang up on a peer that is over the limit; costs that peer its connection"),
            ("time out", "hang up on a peer that takes nothing for some seconds; costs slow peers theirs"),
        ],
        Verdict::Discards => &[(
            "say what is dropped",
            "the server is safe, but a peer that reads later misses data: count it, log it, or tell the peer",
        )],
        _ => &[],
    }
}

//! Remedies for each verdict, with what each one costs.

use echoctl_record::Verdict;

/// Ways to bound a server, by name; none if nothing is wrong.
pub(super) fn remedies(verdict: Verdict) -> &'static [(&'static str, &'static str)] {
    match verdict {
        Verdict::Unbounded | Verdict::Crashes | Verdict::Spills => &[
            (
                "await the write",
                "read the next input only when the write has completed; needs no queue, but a slow client's connection and \
                 its kernel memory stay until it reads or times out",
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
            (
                "disconnect",
                "disconnect a client whose queue exceeds the limit; costs that client its connection",
            ),
            (
                "time out",
                "disconnect a client that accepts no bytes for some seconds; costs slow clients their connections",
            ),
        ],
        Verdict::Discards => &[(
            "report what is dropped",
            "memory is safe, but a client that reads later misses data: count it, log it, or inform the client",
        )],
        _ => &[],
    }
}

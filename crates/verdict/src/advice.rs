//! What to try next after a verdict that is not certain, as a value: the program that runs the test knows its own options.

/// What to try next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advice {
    /// Run the same test again.
    RunAgain,
    /// Run it for this long.
    WatchLonger {
        /// The duration.
        seconds: f64,
    },
    /// Check that the input fits the server's protocol; if it does, run it for this long.
    CheckInputOrWatchLonger {
        /// The duration.
        seconds: f64,
    },
    /// Check that the input fits the protocol; if it does, use a request with a long reply, or one that is sent repeatedly.
    CheckInputOrRequest,
    /// Check method, path and body of the request, to which no response came.
    CheckRequest,
    /// Check that the port speaks the protocol, or test another implementation of it.
    CheckProtocol,
    /// Send what the server's protocol expects: its answer shows which one that is.
    UseServersProtocol,
    /// Check that the setup makes the server send what is published to the slow reader.
    CheckSubscription,
    /// Use a request whose reply exceeds the kernels' queues.
    RequestLargerReply,
    /// Send several times more.
    SendMore,
    /// Send many times more and faster, or use a request with a larger reply.
    SendMuchMore,
    /// Send more, so that garbage is collected and a trend shows, or use a request with a larger reply.
    SendMoreForTrend,
    /// Send once, or nothing: the server sends by itself.
    AuditWhatItSends,
    /// Send less, so that draining finishes.
    SendLess,
    /// Read less or send more.
    AddPressure,
    /// Make the server's memory visible.
    ShowMemory,
    /// The same, or let an audit start the server.
    ShowMemoryOrAudit,
    /// Send at a lower rate: a limit of a queue in bytes stays as it is, and one in seconds does not.
    CompareRates,
    /// Test where more memory is available.
    GiveMoreMemory,
    /// Test a process that has just been started, so that no memory of earlier work can be used again.
    AuditFreshProcess,
    /// Test a server that has no other work: one that has finished starting.
    AuditAtRest,
    /// Let the server run: it was suspended.
    ResumeServer,
    /// Find out what the server waited for: it may be deadlocked, or depend on something else.
    CheckServer,
    /// Test the process that produces the data.
    AuditProducer,
    /// Test the server behind this one.
    AuditUpstream,
    /// Restart the server and audit it, which drains what is pending.
    AuditInstead,
    /// Test while no other client sends.
    RunWithoutOthers,
}

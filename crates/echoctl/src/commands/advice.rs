//! What to try next after a verdict that is not certain, with the options of `flood` and `audit`.

use echoctl_verdict::Advice;

/// The advice as a phrase, for a sentence that begins with `Try next:`.
pub(super) fn text(advice: Advice) -> String {
    let fixed = match advice {
        Advice::WatchLonger { seconds } => return format!("watch it for longer: --for {seconds:.0}s"),
        Advice::CheckInputOrWatchLonger { seconds } => {
            return format!(
                "check that the input fits the server's protocol; if it does, watch it for longer: --for {seconds:.0}s"
            );
        }
        Advice::RunAgain => "run it again",
        Advice::CheckInputOrRequest => {
            "check that the input fits the server's protocol; if it does, use a request with a long reply, or one that is sent \
             repeatedly"
        }
        Advice::CheckRequest => {
            "check the method, the path and the body of the request: the server may wait for more of it"
        }
        Advice::CheckProtocol => {
            "check that nothing between the client and the server changes the data; otherwise report this to the server's authors"
        }
        Advice::UseServersProtocol => {
            "choose a preset of the server's protocol; if the protocol needs a greeting, add one to a script's setup"
        }
        Advice::CheckSubscription => {
            "check that the setup subscribes the slow reader to what the publisher sends"
        }
        Advice::AuditFreshProcess => "restart the server, or let the audit start it",
        Advice::AuditAtRest => {
            "start the server, let it finish its other work, and audit its port; or start it without that work"
        }
        Advice::ResumeServer => "let the server run, and audit it again",
        Advice::CheckServer => {
            "check what the server waited for: it may be deadlocked, or wait for another server"
        }
        Advice::RequestLargerReply => {
            "request a reply that exceeds the kernels' queues, such as 64 MiB or an endless stream"
        }
        Advice::SendMore => "send more: --bytes 2GiB --for 60s",
        Advice::SendMuchMore => {
            "send more, or a request with a larger reply: --bytes 4GiB --rate 1GiB --for 60s"
        }
        Advice::SendMoreForTrend => {
            "send more, so that garbage is collected and a trend shows: --bytes 2GiB --for 60s; or send a request with a \
             larger reply"
        }
        Advice::AuditWhatItSends => {
            "audit what it sends by itself, with a request that is sent once: --request TEXT --once"
        }
        Advice::SendLess => "send less, so that draining finishes: --bytes 64MiB",
        Advice::AddPressure => "read less or send more, with --no-read or a higher --rate",
        Advice::ShowMemory => {
            "give --pid, run as the server's user, or let the audit start the server itself"
        }
        Advice::ShowMemoryOrAudit => {
            "give --pid, run as the server's user, or let echoctl audit start the server"
        }
        Advice::CompareRates => {
            "send more slowly: --rate 32MiB; if its memory then grows less before it disconnects, limit the queue in bytes as well"
        }
        Advice::GiveMoreMemory => "run it where more memory is available",
        Advice::AuditProducer => {
            "give --pid of the process that produces the data, or audit that process directly"
        }
        Advice::AuditUpstream => "audit the server behind it directly, or start both with one command",
        Advice::AuditInstead => {
            "restart the server and run echoctl audit, which has presets for other protocols and drains what is pending"
        }
        Advice::RunWithoutOthers => "run the flood again while no other client sends",
    };
    fixed.to_owned()
}

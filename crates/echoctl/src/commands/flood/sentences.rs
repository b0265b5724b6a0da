//! The sentences of a result, each from the values of the run.

use echoctl_client::{Config, Ending, Reading};
use echoctl_record::{Bytes, Queue, Queues, Rate, Seconds, Summary, count};
use echoctl_trial::TrialOutcome;
use echoctl_verdict::flood::Cause;
use echoctl_verdict::unwritten::exceeds_memory;
use echoctl_verdict::{HELD_BACK_SECONDS, Judgement};

/// How many bytes came back, and whether they were right.
pub(super) fn came_back(outcome: &TrialOutcome) -> String {
    let client = &outcome.client;
    let totals = &client.totals;
    let (sent, read) = (Bytes(totals.produced), Bytes(totals.consumed));
    let complete = client.endings.iter().all(|ending| *ending == Ending::Complete);
    let is_whole_run = client.drain.is_none();
    let written = outcome.history.last().and_then(|last| last.server_written);
    if complete && totals.verified == totals.produced {
        if !is_whole_run {
            return format!("All {sent} came back, every byte identical.");
        }
        let seconds = client.elapsed.as_secs_f64();
        let rate = Rate(totals.produced as f64 / seconds.max(0.001));
        format!("All {sent} came back, every byte identical, in {} ({rate}).", Seconds(seconds))
    } else if totals.consumed == 0 && written == Some(0) {
        format!("{sent} were sent, and the server sent no replies.")
    } else if totals.consumed == 0 {
        format!("{sent} were sent, and the client read none of the replies.")
    } else if totals.verified == totals.consumed {
        format!("{sent} were sent and {read} read, every byte identical.")
    } else {
        format!("{sent} were sent and {read} read.")
    }
}

/// The drain, with a rate that counts only the time in which pending replies were read.
pub(super) fn drained(outcome: &TrialOutcome) -> Option<String> {
    let drain = outcome.client.drain?;
    let began = match outcome.config.reading {
        Reading::Nothing => "Reading began",
        Reading::AtRate(_) => "Reading at full speed began",
        Reading::All | Reading::For(_) | Reading::Pause { .. } => "Reading resumed",
    };
    let rate = drain.rate().map_or(String::new(), |rate| format!(" ({})", Rate(rate)));
    let (bytes, start) = (Bytes(drain.bytes), Seconds(drain.start.as_secs_f64()));
    let time = Seconds(drain.end.saturating_sub(drain.start).as_secs_f64());
    Some(format!("{began} after {start} and drained {bytes} in {time}{rate}."))
}

/// How long the client was held back, and what became of the pending bytes.
pub(super) fn held_back(outcome: &TrialOutcome) -> Option<String> {
    let totals = &outcome.client.totals;
    let longest = totals.longest_stall.as_secs_f64();
    if longest < HELD_BACK_SECONDS {
        return None;
    }
    let total = outcome.total_wait();
    let held_back = match total > longest + LONGEST_OF_MANY {
        true => format!("{} in total, at most {} at a time", Seconds(total), Seconds(longest)),
        false => Seconds(longest).to_string(),
    };
    let pending = Bytes(totals.produced.saturating_sub(totals.consumed));
    let and_then = if outcome.was_closed() || outcome.server_exited.is_some() {
        ", and then the server closed the connection: the pending bytes are lost.".to_owned()
    } else if !outcome.is_good() {
        ".".to_owned()
    } else if pending.0 == 0 {
        "; it waited, and nothing was lost.".to_owned()
    } else if totals.consumed == 0 {
        format!("; {pending} were still pending at the end.")
    } else {
        format!("; what was read is correct, and {pending} were still pending at the end.")
    };
    Some(format!("The client was held back for {held_back}{and_then}"))
}

/// Explains a table whose unwritten bytes are not in the server's memory.
pub(super) fn missing_from_memory(summary: &Summary) -> Option<String> {
    let (unwritten, growth) = (summary.inside_server?, summary.server_memory_growth?);
    exceeds_memory(unwritten, growth).then(|| {
        format!(
            "The server read {} more than it wrote back, but its memory grew by only {}. It drops replies, does not echo, \
             or reuses memory that it had before.",
            Bytes(unwritten),
            Bytes(growth)
        )
    })
}

/// Why less was sent than wanted, where nothing was wrong.
pub(super) fn stopped_early(outcome: &TrialOutcome) -> Option<String> {
    let (config, client) = (&outcome.config, &outcome.client);
    let bytes = config.bytes.filter(|&bytes| client.totals.produced < bytes)?;
    let is_over = |ending: &Ending| matches!(ending, Ending::Complete | Ending::LeftUnread);
    if outcome.is_over_memory || !client.endings.iter().all(is_over) {
        return None;
    }
    let is_out_of_time = config.duration.is_some_and(|duration| client.elapsed >= duration);
    let why = match config.idle_timeout.filter(|_| !is_out_of_time) {
        None => "a longer --for gives it more time".to_owned(),
        Some(idle) => format!(
            "less than {} moved in {}; with --for, flood keeps trying for that long",
            Bytes(Config::MIN_PROGRESS),
            Seconds(idle.as_secs_f64())
        ),
    };
    Some(format!("Stopped before all {} were sent: {why}.", Bytes(bytes)))
}

/// The verdict and its reason.
pub(super) fn verdict(judgement: &Judgement<Cause>) -> String {
    let mut reason = judgement.reason.chars();
    let first = reason.next().into_iter().flat_map(char::to_uppercase).collect::<String>();
    format!("Verdict: {}. {first}{}.", judgement.verdict, reason.as_str())
}

/// What the kernels' share of the table depends on, where the kernel sized its buffers.
pub(super) fn kernel_queues(outcome: &TrialOutcome) -> Option<String> {
    let is_fixed = outcome.config.sndbuf.is_some() && outcome.config.rcvbuf.is_some();
    let pending = &outcome.peaks().pending;
    let bytes = Queues::of(pending).in_kernels()?;
    if is_fixed || bytes < NOTABLE_BUFFERING {
        return None;
    }
    let memory = pending.kernel_memory.map(|memory| format!(" (in {} of kernel memory)", Bytes(memory)));
    Some(format!(
        "The kernel queues of both ends held {} of data{}. This figure differs between runs, because the kernel resizes receive \
         buffers while data flows.",
        Bytes(bytes),
        memory.unwrap_or_default()
    ))
}

/// What a bounded server needs for many clients like these: a limit per connection does not limit their total.
pub(super) fn many_such_clients(outcome: &TrialOutcome) -> Option<String> {
    let pending = &outcome.peaks().pending;
    let connections = outcome.config.connections.max(1) as u64;
    let of_all = |bytes: u64| Bytes((bytes / connections).saturating_mul(MANY));
    let kernel = of_all(pending.kernel_memory?);
    let inside = of_all(Queues::of(pending)[Queue::Inside].unwrap_or(0)).0;
    let inside =
        if inside < kernel.0 / 10 { String::new() } else { format!(", and {} in the server", Bytes(inside)) };
    Some(format!("1,000 such clients would occupy {kernel} of kernel memory{inside}."))
}

/// Everything that was wrong, one line each.
pub(super) fn faults(outcome: &TrialOutcome) -> Vec<String> {
    let totals = &outcome.client.totals;
    let mut faults = Vec::new();
    for (frames, what) in [
        (totals.lost, "did not come back"),
        (totals.duplicated, "came back twice"),
        (totals.reordered, "came back out of order"),
        (totals.mismatched, "came back wrong"),
    ] {
        if frames > 0 {
            // A server that invents frames can send more of them than it received.
            let sent = if frames <= totals.frames { format!(" of {}", totals.frames) } else { String::new() };
            faults.push(format!("{}{sent} {what}", count(frames, "frame")));
        }
    }
    if let Some((fault, at)) = totals.first_fault {
        faults.push(format!("first fault: {fault}, {at} bytes into the replies"));
    }
    let mut bad = outcome.client.endings.iter().filter(|ending| !ending.is_good());
    match (bad.next(), bad.count()) {
        (Some(first), 0) => faults.push(first.to_string()),
        (Some(first), more) => {
            faults.push(format!("{first} (and {})", count(more as u64, "more connection")))
        }
        // The connections ended well, and yet the exit code is 1.
        (None, _) => faults.extend(match outcome.server_exited {
            Some(pid) => Some(format!("the server exited during the run (pid {pid})")),
            None if outcome.is_closed_by_server => Some("the server closed the connection".to_owned()),
            None => None,
        }),
    }
    faults
}

/// Seconds by which all waits together exceed the longest one, where there were several.
const LONGEST_OF_MANY: f64 = 0.5;

/// The number of clients in [`many_such_clients`]: few for a server on the Internet.
const MANY: u64 = 1000;

/// Bytes in kernel queues that are worth an explanation.
const NOTABLE_BUFFERING: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use echoctl_client::{CloseKind, Outcome, Totals};

    use super::*;

    const MIB: u64 = 1 << 20;

    type Change = fn(&mut TrialOutcome);

    /// A run of ten seconds that sent 100 MiB and read 40 MiB of it.
    fn outcome(change: impl FnOnce(&mut TrialOutcome)) -> TrialOutcome {
        let totals =
            Totals { produced: 100 * MIB, consumed: 40 * MIB, verified: 40 * MIB, ..Totals::default() };
        let mut outcome = TrialOutcome {
            config: Config::new(([127, 0, 0, 1], 7007).into()),
            client: Outcome {
                elapsed: Duration::from_secs(10),
                totals,
                endings: vec![Ending::LeftUnread],
                drain: None,
            },
            history: Default::default(),
            memory_limit: None,
            is_over_memory: false,
            server_exited: None,
            is_closed_by_server: false,
            others: Default::default(),
            is_suspended: false,
            is_newcomer_served: None,
            last_read: None,
            connections: None,
        };
        change(&mut outcome);
        outcome
    }

    fn closed() -> Ending {
        Ending::PeerClosed { how: CloseKind::EndOfStream, at: Duration::from_secs(1) }
    }

    #[test]
    fn what_came_back_is_one_sentence() {
        let all = |run: &mut TrialOutcome| {
            let totals = &mut run.client.totals;
            (totals.consumed, totals.verified) = (totals.produced, totals.produced);
            run.client.endings = vec![Ending::Complete];
        };
        let nothing = |run: &mut TrialOutcome| {
            (run.client.totals.consumed, run.client.totals.verified) = (0, 0);
        };
        let wrong = |run: &mut TrialOutcome| run.client.totals.verified = MIB;
        let cases: [(Change, &str); 4] = [
            (all, "All 100 MiB came back, every byte identical, in 10.0 s (10 MiB/s)."),
            (nothing, "100 MiB were sent, and the client read none of the replies."),
            (wrong, "100 MiB were sent and 40 MiB read."),
            (|_| (), "100 MiB were sent and 40 MiB read, every byte identical."),
        ];

        for (change, sentence) in cases {
            assert_eq!(came_back(&outcome(change)), sentence);
        }
    }

    #[test]
    fn a_wait_says_what_became_of_the_pending_bytes() {
        let wait = |change: Change| {
            held_back(&outcome(|run| {
                run.client.totals.longest_stall = Duration::from_secs(2);
                change(run);
            }))
        };

        assert_eq!(held_back(&outcome(|_| ())), None);
        let waited = wait(|_| ()).unwrap();
        assert!(
            waited.contains("for 2.0 s; what was read is correct, and 60 MiB were still pending"),
            "{waited}"
        );
        let lost = wait(|run| run.client.endings = vec![closed()]).unwrap();
        assert!(
            lost.ends_with("and then the server closed the connection: the pending bytes are lost."),
            "{lost}"
        );
        assert_eq!(wait(|run| run.server_exited = Some(7)).unwrap(), lost);
        assert_eq!(wait(|run| run.client.totals.lost = 1).unwrap(), "The client was held back for 2.0 s.");
    }

    #[test]
    fn each_cause_of_exit_code_1_is_a_fault() {
        let faults = |change: Change| {
            let run = outcome(change);
            (run.is_good(), faults(&run))
        };

        assert_eq!(faults(|_| ()), (true, vec![]));
        let cases: [(Change, &str); 4] = [
            (|run| run.server_exited = Some(7), "the server exited during the run (pid 7)"),
            (|run| run.is_closed_by_server = true, "the server closed the connection"),
            (|run| run.client.totals.lost = 1, "1 frame did not come back"),
            (|run| run.client.endings = vec![closed(), closed()], "(and 1 more connection)"),
        ];
        for (change, fault) in cases {
            let (is_good, faults) = faults(change);
            assert!(!is_good && faults.len() == 1, "{faults:?}");
            assert!(faults[0].ends_with(fault), "{faults:?}");
        }
    }

    #[test]
    fn a_run_that_ended_early_says_why() {
        let early = |change: Change| {
            stopped_early(&outcome(|run| {
                run.config.bytes = Some(200 * MIB);
                run.config.duration = Some(Duration::from_secs(10));
                change(run);
            }))
        };

        assert!(early(|_| ()).is_some_and(|text| text.contains("a longer --for gives it more time")));
        let idle = early(|run| {
            run.config.duration = None;
            run.config.idle_timeout = Some(Duration::from_secs(5));
        });
        assert!(idle.is_some_and(|text| text.contains("less than 64 KiB moved in 5.0 s")));
        assert_eq!(early(|run| run.is_over_memory = true), None);
        assert_eq!(early(|run| run.client.endings = vec![closed()]), None);
        assert_eq!(early(|run| run.config.bytes = Some(100 * MIB)), None);
    }
}

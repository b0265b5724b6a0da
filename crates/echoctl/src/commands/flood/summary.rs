//! Prints the result of a flood: a table that adds up, a few sentences, the verdict; and finds the exit code.

use std::io;

use echoctl_client::{CloseKind, Config, Drain, Ending, Outcome, Reading};
use echoctl_observe::KernelBuffering;
use echoctl_record::{Bytes, DisconnectKind, Evidence, Queues, Rate, Seconds, Summary, Verdict};
use echoctl_report::{path, wrap};
use echoctl_verdict::flood::{self, Cause, Observed, Reader};
use echoctl_verdict::{HELD_BACK_SECONDS, Judgement};

use super::session::{Session, was_closed};
use crate::cli::called;
use crate::cli::help::renamed;
use crate::commands::advice;
use crate::consent::ECHO_HINT;
use crate::exit::Exit;
use crate::output::{self, ignore_broken_pipe, json_line, print, terminal_size};

impl Session {
    /// Prints the result, writes the files, and returns the exit code.
    pub(super) fn finish(self, outcome: &Outcome) -> anyhow::Result<Exit> {
        let judgement = self.judgement(outcome);
        let summary = self.summary(outcome, judgement.as_ref());
        let printed = match self.json {
            true => json_line("summary", &summary),
            false => {
                let try_next = judgement.and_then(|judgement| judgement.advice).map(advice::text);
                self.print(outcome, &summary, try_next)
            }
        };
        for fault in faults(outcome) {
            output::error(fault);
        }
        if self.may_differ_in_framing(outcome) {
            output::note(format_args!("hint: {ECHO_HINT}"));
        }
        let is_good = outcome.is_good() && !self.server_ended && !self.closed_by_server;
        // The files are written even if stdout is closed.
        let written = self.recorder.finish(|run| run.summary = Some(summary));
        ignore_broken_pipe(printed)?;
        written?;
        Ok(if is_good { Exit::Done } else { Exit::Failed })
    }

    /// Whether frames did not come back, or the server closed a connection before any reply: it may decode other frames.
    fn may_differ_in_framing(&self, outcome: &Outcome) -> bool {
        let reads = !matches!(self.config.reading, Reading::Nothing);
        let is_incomplete = outcome.totals.lost > 0;
        reads && (is_incomplete || outcome.totals.consumed == 0 && was_closed(outcome))
    }

    /// The verdict on the server, if the run was a test of it.
    fn judgement(&self, outcome: &Outcome) -> Option<Judgement<Cause>> {
        let tested = !matches!(self.config.reading, Reading::All | Reading::Pause { .. });
        if !tested || self.points.is_empty() {
            return None;
        }
        let closed = outcome.endings.iter().find_map(|ending| match ending {
            Ending::PeerClosed { how: CloseKind::EndOfStream, at } => {
                Some((DisconnectKind::Closed, at.as_secs_f64()))
            }
            Ending::PeerClosed { how: CloseKind::Failed { .. }, at } => {
                Some((DisconnectKind::Reset, at.as_secs_f64()))
            }
            _ => None,
        });
        let ending = match closed {
            _ if self.server_ended => Some((DisconnectKind::Crashed, self.last.t)),
            None if self.closed_by_server => Some((DisconnectKind::Closed, self.last.t)),
            found => found,
        };
        let evidence = Evidence {
            repeats: true,
            echo: true,
            unit: *self.config.sizes.end() as u64,
            budget: BUDGET,
            max_duration: outcome.elapsed.as_secs_f64(),
            kernel_buffering: KernelBuffering::here().of_connections(self.config.connections),
            memory_limit: self.memory.limit,
            hidden_upstream: false,
            is_relay: false,
            points: self.points.clone(),
            disconnect: ending.map(|(kind, t)| echoctl_record::Disconnect { t, kind }),
            drain: None,
        };
        let observed = Observed {
            reader: match self.config.reading {
                Reading::For(_) => Reader::Stopped,
                _ => Reader::Starved,
            },
            longest_wait: outcome.totals.longest_stall.as_secs_f64(),
            read: self.peak.server_read.unwrap_or(0),
            unwritten: self.most_inside.unwrap_or(0),
            growth: self.most_growth(),
            others: self.other_input(),
        };
        Some(flood::judge(evidence, observed))
    }

    fn summary(&self, outcome: &Outcome, judgement: Option<&Judgement<Cause>>) -> Summary {
        Summary {
            server_pid: self.pids.first().copied(),
            server_memory_growth: self.most_growth(),
            inside_server: self.most_inside,
            verdict: judgement.map(|judgement| judgement.verdict),
            reason: judgement.map(|judgement| judgement.reason.clone()),
            ..echoctl_trial::summary(outcome, self.target.clone())
        }
    }

    /// The most that the server's memory grew: the one figure for it in the live view, the verdict and the summary.
    fn most_growth(&self) -> Option<u64> {
        Some(self.most_memory?.saturating_sub(self.first?.server_memory?))
    }

    fn print(&self, outcome: &Outcome, summary: &Summary, try_next: Option<String>) -> io::Result<()> {
        let has_table = summary.consumed < summary.produced || summary.verdict.is_some();
        if self.peak.produced > 0 && has_table {
            output::flush_notes();
            print(format_args!(
                "\nWhere the bytes were after {}, with the most pending (sent, not read back):\n",
                Seconds(self.peak.t)
            ))?;
            print(path::table(&self.peak, self.most_growth()))?;
        }
        let mut text = self.sentence(outcome, summary);
        // The reason of an inconclusive verdict contains it.
        if summary.verdict != Some(Verdict::Inconclusive)
            && let Some(doubt) = missing_from_memory(summary)
        {
            text.push_str(&doubt);
        }
        if self.over_memory {
            text.push_str(&format!(
                " Stopped because the server's memory had grown by {} (--memory-limit).",
                self.memory
            ));
        }
        if let Some(bytes) = self.config.bytes
            && summary.produced < bytes
            && outcome.endings.iter().all(|ending| matches!(ending, Ending::Complete | Ending::LeftUnread))
            && !self.over_memory
        {
            let is_out_of_time = self.config.duration.is_some_and(|duration| outcome.elapsed >= duration);
            let why = match self.config.idle_timeout.filter(|_| !is_out_of_time) {
                None => "a longer --for gives it more time".to_owned(),
                Some(idle) => format!(
                    "less than {} moved in {}; with --for, flood keeps trying for that long",
                    Bytes(Config::MIN_PROGRESS),
                    Seconds(idle.as_secs_f64())
                ),
            };
            text.push_str(&format!(" Stopped before all {} were sent: {why}.", Bytes(bytes)));
        }
        let verdict = summary.verdict.zip(summary.reason.as_ref());
        let verdict =
            verdict.map(|(verdict, reason)| format!("Verdict: {verdict}. {}.", capitalized(reason)));
        let try_next = try_next.or_else(|| self.watching(summary));
        let try_next = try_next.map(|what| format!("Try next: {}.", renamed(&what, called())));
        print("")?;
        for text in [self.kernel_queues(summary), Some(text), verdict, try_next].into_iter().flatten() {
            for line in wrap(&text, terminal_size().0.min(MAX_COLUMNS)) {
                print(line)?;
            }
        }
        Ok(())
    }

    /// Names the command that shows the same queues from outside, after a verdict that leaves no question.
    fn watching(&self, summary: &Summary) -> Option<String> {
        let is_settled = matches!(summary.verdict?, Verdict::Bounded | Verdict::Unbounded);
        let target = &self.target;
        is_settled
            .then(|| format!("echoctl watch {target} during a flood, for the queues of each connection"))
    }

    /// What the kernels' share of the table depends on, where a server was tested and the kernel sized its buffers.
    fn kernel_queues(&self, summary: &Summary) -> Option<String> {
        let is_fixed = self.config.sndbuf.is_some() && self.config.rcvbuf.is_some();
        let bytes = Queues::of(&self.peak).in_kernels()?;
        let memory =
            self.peak.kernel_memory.map(|memory| format!(" (in {} of kernel memory)", Bytes(memory)));
        let memory = memory.unwrap_or_default();
        (summary.verdict.is_some() && !is_fixed && bytes >= NOTABLE_BUFFERING).then(|| {
            format!(
                "The kernel queues of both ends held {} of data{memory}. This figure differs between runs, because the kernel resizes receive \
                 buffers while data flows.",
                Bytes(bytes)
            )
        })
    }

    /// What happened to the bytes, in a few sentences.
    fn sentence(&self, outcome: &Outcome, summary: &Summary) -> String {
        let sent = Bytes(summary.produced);
        let rate = Rate(summary.produced as f64 / summary.seconds.max(0.001));
        let complete = outcome.endings.iter().all(|ending| *ending == Ending::Complete);
        let is_whole_run = outcome.drain.is_none();
        let mut text = if complete && summary.verified() == summary.produced {
            match is_whole_run {
                true => format!(
                    "All {sent} came back, every byte identical, in {} ({rate}).",
                    Seconds(summary.seconds)
                ),
                false => format!("All {sent} came back, every byte identical."),
            }
        } else if summary.consumed == 0 {
            format!("{sent} were sent, and the client read none of the replies.")
        } else if summary.verified() == summary.consumed {
            format!("{sent} were sent and {} read, every byte identical.", Bytes(summary.consumed))
        } else {
            format!("{sent} were sent and {} read.", Bytes(summary.consumed))
        };
        text.extend(outcome.drain.map(|drain| drained(drain, self.config.reading)));
        if summary.stalled_seconds >= HELD_BACK_SECONDS {
            let longest = Seconds(summary.stalled_seconds);
            let total = self.total_wait();
            let held_back = match total > summary.stalled_seconds + LONGEST_OF_MANY {
                true => format!("{} in total, at most {longest} at a time", Seconds(total)),
                false => longest.to_string(),
            };
            let pending = Bytes(summary.produced.saturating_sub(summary.consumed));
            let and_then = if self.server_ended || self.closed_by_server || was_closed(outcome) {
                ", and then the server closed the connection: the pending bytes are lost.".to_owned()
            } else if !outcome.is_good() {
                ".".to_owned()
            } else if pending.0 == 0 {
                "; it waited, and nothing was lost.".to_owned()
            } else if summary.consumed == 0 {
                format!("; {pending} were still pending at the end.")
            } else {
                format!("; what was read is correct, and {pending} were still pending at the end.")
            };
            text.push_str(&format!(" The client was held back for {held_back}{and_then}"));
        }
        text
    }
}

/// The drain, with a rate that counts only the time in which pending replies were read.
fn drained(drain: Drain, before: Reading) -> String {
    let began = match before {
        Reading::Nothing => "Reading began",
        Reading::AtRate(_) => "Reading at full speed began",
        Reading::All | Reading::For(_) | Reading::Pause { .. } => "Reading resumed",
    };
    let rate = drain.rate().map_or(String::new(), |rate| format!(" ({})", Rate(rate)));
    let (bytes, start) = (Bytes(drain.bytes), Seconds(drain.start.as_secs_f64()));
    let time = Seconds(drain.end.saturating_sub(drain.start).as_secs_f64());
    format!(" {began} after {start} and drained {bytes} in {time}{rate}.")
}

/// `text` with a capital letter.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Explains a table whose unwritten bytes are not in the server's memory.
fn missing_from_memory(summary: &Summary) -> Option<String> {
    let (unwritten, growth) = (summary.inside_server?, summary.server_memory_growth?);
    path::exceeds_memory(unwritten, growth).then(|| {
        format!(
            " The server read {} more than it wrote back, but its memory grew by only {}. It drops replies, does not echo, \
             or reuses memory that it had before.",
            Bytes(unwritten),
            Bytes(growth)
        )
    })
}

/// Everything that was wrong, one line each.
fn faults(outcome: &Outcome) -> Vec<String> {
    let totals = &outcome.totals;
    let mut faults = Vec::new();
    for (count, what) in [
        (totals.lost, "did not come back"),
        (totals.duplicated, "came back twice"),
        (totals.reordered, "came back out of order"),
        (totals.mismatched, "came back wrong"),
    ] {
        if count > 0 {
            let frames = if count == 1 { "frame" } else { "frames" };
            // A server that invents frames can send more of them than it received.
            let sent = if count <= totals.frames { format!(" of {}", totals.frames) } else { String::new() };
            faults.push(format!("{count} {frames}{sent} {what}"));
        }
    }
    if let Some((fault, at)) = totals.first_fault {
        faults.push(format!("first fault: {fault}, {at} bytes into the replies"));
    }
    let bad: Vec<&Ending> = outcome.endings.iter().filter(|ending| !ending.is_good()).collect();
    if let Some(first) = bad.first() {
        let more = match bad.len() {
            1 => String::new(),
            many => format!(" (and {} more connections)", many - 1),
        };
        faults.push(format!("{first}{more}"));
    }
    faults
}

/// Columns of readable text.
const MAX_COLUMNS: usize = 100;

/// Seconds by which all waits together exceed the longest one, where there were several.
const LONGEST_OF_MANY: f64 = 0.5;

/// Bytes in kernel queues that are worth an explanation.
const NOTABLE_BUFFERING: u64 = 1 << 20;

/// Bytes that a server must read to be called unbounded: many times what the kernel queues hold.
const BUDGET: u64 = 256 << 20;

//! The ending: the table that adds up, one plain sentence, and the exit code.

use std::io;

use echoctl_client::{CloseKind, Ending, Outcome, Reading};
use echoctl_lab::kit::wrap;
use echoctl_record::{Bytes, DisconnectKind, Evidence, Judgement, Rate, Seconds, Summary, Verdict};

use super::judge::{Observed, judge, since_it_stopped_reading};
use super::session::Session;
use crate::exit::Exit;
use crate::output::{self, ignore_broken_pipe, json_line, print, terminal_size};
use crate::view::path;

impl Session {
    /// Says how the run ended, and finds the exit code.
    pub(super) fn end(self, outcome: &Outcome) -> anyhow::Result<Exit> {
        let judgement = self.judgement(outcome);
        let summary = self.summary(outcome, judgement.as_ref());
        let printed = match self.json {
            true => json_line("summary", &summary),
            false => {
                let try_next = judgement.and_then(|judgement| judgement.try_next);
                self.tell(outcome, &summary, try_next)
            }
        };
        for fault in faults(outcome) {
            output::error(fault);
        }
        let is_good = outcome.is_good() && !self.server_ended && !self.closed_by_server;
        // What was recorded is kept also where nobody reads the result.
        let kept = self.recorder.finish(|run| run.summary = Some(summary));
        ignore_broken_pipe(printed)?;
        kept?;
        Ok(if is_good { Exit::Done } else { Exit::Failed })
    }

    /// The verdict on the server, where the run put it to the test.
    fn judgement(&self, outcome: &Outcome) -> Option<Judgement> {
        let tested = !matches!(self.config.reading, Reading::All | Reading::Pause { .. });
        if !tested || self.points.is_empty() {
            return None;
        }
        let hung_up = outcome.endings.iter().find_map(|ending| match ending {
            Ending::PeerClosed { how: CloseKind::EndOfStream, at } => {
                Some((DisconnectKind::Closed, at.as_secs_f64()))
            }
            Ending::PeerClosed { how: CloseKind::Failed { .. }, at } => {
                Some((DisconnectKind::Reset, at.as_secs_f64()))
            }
            _ => None,
        });
        let ending = match hung_up {
            _ if self.server_ended => Some((DisconnectKind::Crashed, self.last.t)),
            None if self.closed_by_server => Some((DisconnectKind::Closed, self.last.t)),
            found => found,
        };
        let mut points = self.points.clone();
        if let Reading::For(_) = self.config.reading {
            since_it_stopped_reading(&mut points);
        }
        let evidence = Evidence {
            repeats: true,
            echo: true,
            unit: *self.config.sizes.end() as u64,
            budget: BUDGET,
            max_duration: outcome.elapsed.as_secs_f64(),
            kernel_buffering: self.slack.unwrap_or(KERNEL_SLACK) * self.config.connections as u64,
            memory_limit: self.memory.limit,
            hidden_upstream: false,
            is_relay: false,
            points,
            disconnect: ending.map(|(kind, t)| echoctl_record::Disconnect { t, kind }),
            drain: None,
        };
        let longest_wait = outcome.totals.longest_stall.as_secs_f64();
        let mut judgement =
            judge(&evidence, Observed { longest_wait, unwritten: self.most_inside.unwrap_or(0) });
        if let Reading::For(_) = self.config.reading {
            judgement.reason.insert_str(0, "once the reader had stopped, ");
        }
        Some(judgement)
    }

    fn summary(&self, outcome: &Outcome, judgement: Option<&Judgement>) -> Summary {
        let grown = self.most_memory.zip(self.first.and_then(|first| first.server_memory));
        Summary {
            server_pid: self.pids.first().copied(),
            server_memory_growth: grown.map(|(most, base)| most.saturating_sub(base)),
            inside_server: self.most_inside,
            verdict: judgement.map(|judgement| judgement.verdict),
            reason: judgement.map(|judgement| judgement.reason.clone()),
            ..echoctl_lab::summary(outcome, self.target.clone())
        }
    }

    fn tell(&self, outcome: &Outcome, summary: &Summary, try_next: Option<String>) -> io::Result<()> {
        let is_worth_it = summary.consumed < summary.produced || summary.verdict.is_some();
        if self.fullest.produced > 0 && is_worth_it {
            let at = Seconds(self.fullest.t);
            print(format_args!(
                "\nWhere the bytes were after {at}, when most were sent and not read back:\n"
            ))?;
            print(path::table(&self.fullest, self.first.and_then(|first| first.server_memory)))?;
        }
        let mut text = self.sentence(outcome, summary);
        // An inconclusive verdict says so itself.
        if summary.verdict != Some(Verdict::Inconclusive)
            && let Some(doubt) = is_not_held(summary)
        {
            text.push_str(&doubt);
        }
        if self.over_memory {
            text.push_str(&format!(
                " Stopped because the server's memory had grown by {} (see --memory-limit).",
                self.memory
            ));
        }
        if let Some(bytes) = self.config.bytes
            && summary.produced < bytes
            && outcome.endings.iter().all(|ending| matches!(ending, Ending::Complete | Ending::LeftUnread))
            && !self.over_memory
        {
            text.push_str(&format!(
                " Stopped before all {} were sent: --for gives it more time.",
                Bytes(bytes)
            ));
        }
        let verdict = summary.verdict.zip(summary.reason.as_ref());
        let verdict = verdict.map(|(verdict, reason)| format!("Verdict: {verdict}: {reason}."));
        let try_next = try_next.map(|what| format!("To try next: {what}."));
        print("")?;
        for text in [Some(text), verdict, try_next].into_iter().flatten() {
            for line in wrap(&text, terminal_size().0.min(WIDEST)) {
                print(line)?;
            }
        }
        Ok(())
    }

    /// What came of the bytes, in one or two sentences.
    fn sentence(&self, outcome: &Outcome, summary: &Summary) -> String {
        let sent = Bytes(summary.produced);
        let rate = Rate(summary.produced as f64 / summary.seconds.max(0.001));
        let complete = outcome.endings.iter().all(|ending| *ending == Ending::Complete);
        let mut text = if complete && summary.verified() == summary.produced {
            format!(
                "All {sent} came back, every byte as it was sent, in {} ({rate}).",
                Seconds(summary.seconds)
            )
        } else if summary.consumed == 0 {
            format!("{sent} were sent, and nothing was read.")
        } else if summary.verified() == summary.consumed {
            format!(
                "{sent} were sent and {} read back, every byte of those as it was sent.",
                Bytes(summary.consumed)
            )
        } else {
            format!("{sent} were sent, {} read back.", Bytes(summary.consumed))
        };
        if summary.stalled_seconds >= 0.5 {
            let held_back = Seconds(summary.stalled_seconds);
            let and_then = if self.server_ended || self.closed_by_server || hung_up(outcome) {
                ", and then the server ended the connection: what was still on the way is lost."
            } else if outcome.is_good() {
                ": it waited, and that loses nothing."
            } else {
                "."
            };
            text.push_str(&format!(" The client was held back for {held_back}{and_then}"));
        }
        text
    }
}

/// What the table means where a server kept much less than it read and did not write back: the difference is no queue.
fn is_not_held(summary: &Summary) -> Option<String> {
    let (unwritten, growth) = (summary.inside_server?, summary.server_memory_growth?);
    path::is_not_held(unwritten, growth).then(|| {
        format!(
            " The server read {} more than it wrote back, and its memory grew by only {}: its memory does not hold the \
             rest. It drops replies, its answers are no echo, or it uses memory again that it had before.",
            Bytes(unwritten),
            Bytes(growth)
        )
    })
}

/// Whether the server ended a connection unasked.
fn hung_up(outcome: &Outcome) -> bool {
    outcome.endings.iter().any(|ending| matches!(ending, Ending::PeerClosed { .. }))
}

/// What was wrong, a line each.
fn faults(outcome: &Outcome) -> Vec<String> {
    let totals = &outcome.totals;
    let mut faults = Vec::new();
    for (count, what) in [
        (totals.lost, "did not come back"),
        (totals.duplicated, "came back once more"),
        (totals.reordered, "came back after a later one"),
        (totals.mismatched, "came back wrong"),
    ] {
        if count > 0 {
            let frames = if count == 1 { "frame" } else { "frames" };
            // A server that makes frames up can send more of them than it got.
            let sent = if count <= totals.frames { format!(" of {}", totals.frames) } else { String::new() };
            faults.push(format!("{count} {frames}{sent} {what}"));
        }
    }
    if let Some((fault, at)) = totals.first_fault {
        faults.push(format!("the first fault: {fault}, {at} bytes into what came back"));
    }
    let bad: Vec<&Ending> = outcome.endings.iter().filter(|ending| !ending.is_good()).collect();
    if let Some(first) = bad.first() {
        let more = match bad.len() {
            1 => String::new(),
            many => format!(" (and {} more connections ended so or alike)", many - 1),
        };
        faults.push(format!("{first}{more}"));
    }
    faults
}

/// Columns of text that are read with ease.
const WIDEST: usize = 100;

/// Bytes that are enough to call a server unbounded that took them all: many times what kernels hold.
const BUDGET: u64 = 256 << 20;

/// The most that kernels hold between two sockets by Linux's default limits: 6 MiB to receive, twice 4 MiB to send.
const KERNEL_SLACK: u64 = 14 << 20;

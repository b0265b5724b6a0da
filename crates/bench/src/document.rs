//! Writes docs/performance.md, only from what was measured.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use echoctl_report::svg;

use crate::effort::Effort;
use crate::machine;
use crate::sections::Measured;

/// The document while it is written.
pub(crate) struct Document {
    command: String,
    effort: Effort,
    machine: String,
    began: Instant,
    sections: Vec<Measured>,
}

impl Document {
    /// An empty document, for a benchmark with these options.
    pub(crate) fn new(options: &[&str], effort: &Effort) -> Document {
        let command = [&["cargo", "xtask", "bench"], options].concat().join(" ");
        Document {
            command,
            effort: *effort,
            machine: machine::describe(),
            began: Instant::now(),
            sections: Vec::new(),
        }
    }

    /// Adds the result of an experiment.
    pub(crate) fn add(&mut self, measured: Measured) {
        self.sections.push(measured);
    }

    /// Writes the document and its charts into docs/ below the current directory, which is the root of the workspace.
    pub(crate) fn write(&self) -> Result<()> {
        let docs = Path::new("docs");
        for (name, chart) in self.sections.iter().filter_map(|section| section.chart.as_ref()) {
            let drawing = svg::draw(chart, svg::Size::WIDE);
            std::fs::write(docs.join(format!("{name}.svg")), drawing)
                .with_context(|| format!("cannot write docs/{name}.svg"))?;
        }
        std::fs::write(docs.join("performance.md"), self.to_string())
            .context("cannot write docs/performance.md")?;
        println!("written: docs/performance.md");
        Ok(())
    }
}

impl Display for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Performance\n")?;
        writeln!(
            f,
            "All figures on this page were measured and written by one run of `{}`, in {:.0} minutes. The programs \
             run side by side: in each of {} rounds ({} for memory), all programs of a table are measured one after \
             another, each round starting with a different one and every second round in reverse order. Figures are medians; ratios are computed within each round first. \
             Servers and load share the machine, over loopback. `echoctl` has two rows in each table, the same program \
             measured twice: any difference between the two rows is \
             noise, and so is any other difference of that size.\n",
            self.command,
            (self.began.elapsed().as_secs_f64() / 60.0).max(1.0),
            self.effort.rounds,
            self.effort.steady_rounds,
        )?;
        writeln!(f, "{}", self.machine)?;
        writeln!(
            f,
            "The peers: `tokio-loop` is the read/write_all loop of most tutorials, `tokio-copy` tokio's `copy` between \
             the halves of a socket, `threads` blocking I/O with one thread per connection, `monoio` one runtime per core on \
             io_uring, `io-uring` one ring per CPU without a runtime, with buffers provided to the kernel and one system call per batch, `splice` zero copy with one thread per connection, `node` Node's `socket.pipe(socket)`. All but \
             Node's are in `crates/bench/src/bin/peer/`.\n"
        )?;
        self.goals(f)?;
        for section in &self.sections {
            writeln!(f, "## {}\n\n{}\n", section.title, section.text)?;
            if let Some((name, chart)) = &section.chart {
                writeln!(f, "![{}]({name}.svg)\n", chart.title)?;
            }
            if let Some(results) = &section.results {
                writeln!(f, "{results}")?;
            }
        }
        Ok(())
    }
}

impl Document {
    fn goals(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let goals: Vec<_> = self.sections.iter().flat_map(|section| &section.goals).collect();
        if goals.is_empty() {
            return Ok(());
        }
        let met = goals.iter().filter(|goal| goal.is_met).count();
        writeln!(
            f,
            "## Goals\n\n{met} of {} are met. Where a goal is to be no worse than a peer, a difference no larger than between the two rows of `echoctl` \
             counts as equal (for latency at least 5 %).\n\n| | goal | measured | |\n|---|---:|---:|---|",
            goals.len()
        )?;
        for goal in goals {
            let verdict = if goal.is_met { "met" } else { "**missed**" };
            writeln!(f, "| {} | {} | {} | {verdict} |", goal.what, goal.aim, goal.measured)?;
        }
        writeln!(f)
    }
}

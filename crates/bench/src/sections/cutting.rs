//! Cutting frames, without sockets: bytes a second, and instructions a frame where valgrind is installed.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Measured;
use crate::effort::Effort;
use crate::grid::{Column, Grid};
use crate::server::{Programs, is_installed};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let sizes = effort.some(&SIZES, 2);
    let columns = sizes.iter().map(|(_, name)| Column::plain(format!("{name}, GB/s"), 3));
    let columns = columns.chain([Column::plain("instructions a 64-byte frame", 0)]).collect();
    let mut grid = Grid::new(WAYS.map(|(_, name)| name), columns);
    for (column, (size, _)) in sizes.iter().enumerate() {
        grid.fill(column, 1, effort.rounds, |row| {
            let seconds = (effort.time.as_secs_f64() / 3.0).to_string();
            let printed = run(&mut cut(programs, &[WAYS[row].0, size, "for", &seconds]))?.0;
            Ok(vec![printed.trim().parse::<f64>()? / 1e9])
        });
    }
    if is_installed("valgrind") {
        // The same program gives the same count each time.
        grid.fill(sizes.len(), 1, 1, |row| Ok(vec![instructions(programs, WAYS[row].0)?]));
    }
    Ok(Measured {
        title: "Cutting frames",
        text: "The same stream, in pieces of 64 KiB less 7 bytes as reads would give them, through four ways to buffer and \
               cut: all whole frames at once, as the echo does; frame by frame, as the client does; tokio-util's codecs on \
               `bytes::BytesMut`; and a new array for each piece and each frame, as a beginner writes it. Instructions are \
               callgrind's, without those of starting up: they do not depend on the machine's mood."
            .to_owned(),
        grid: Some(grid),
        ..Measured::default()
    })
}

/// Instructions a frame: what many frames need more than few, by how many more they are.
fn instructions(programs: &Programs, way: &str) -> Result<f64> {
    let count = |frames: usize| -> Result<f64> {
        let inner = cut(programs, &[way, "64", "frames", &frames.to_string()]);
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let (_, log) = run(command.arg(inner.get_program()).args(inner.get_args()))?;
        let collected = log.rsplit("Collected :").next().context("callgrind said nothing")?;
        Ok(collected.split_whitespace().next().context("callgrind counted nothing")?.parse()?)
    };
    Ok((count(FEW + MORE)? - count(FEW)?) / MORE as f64)
}

fn cut(programs: &Programs, words: &[&str]) -> Command {
    let mut command = Command::new(programs.path("echoctl-cut"));
    command.args(words);
    command
}

/// What it printed on standard output and standard error.
fn run(command: &mut Command) -> Result<(String, String)> {
    let output = command.output()?;
    let log = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{log}");
    Ok((String::from_utf8(output.stdout)?, log))
}

/// The ways of `bin/cut.rs`, and what they are.
const WAYS: [(&str, &str); 7] = [
    ("lines-whole", "ours, lines, all at once"),
    ("lines-each", "ours, lines, one by one"),
    ("lines-codec", "LinesCodec"),
    ("lines-concat", "a beginner's lines"),
    ("u16-whole", "ours, u16, all at once"),
    ("u16-each", "ours, u16, one by one"),
    ("u16-codec", "LengthDelimitedCodec"),
];

const SIZES: [(&str, &str); 4] = [("16", "16 B"), ("64", "64 B"), ("1024", "1 KiB"), ("16384", "16 KiB")];

/// Frames: several pieces of them, and few enough for an instrument a hundred times slower than the processor.
const FEW: usize = 4_000;
const MORE: usize = 8_000;

//! Frame decoding without sockets: bytes per second, and instructions per frame where valgrind is installed.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Measured;
use crate::effort::Effort;
use crate::results::{Column, Results};
use crate::server::{Programs, is_installed};

pub(super) fn measure(effort: &Effort, programs: &Programs) -> Result<Measured> {
    let sizes = effort.some(&SIZES, 2);
    let columns = sizes.iter().map(|(_, name)| Column::plain(format!("{name}, GB/s"), 3));
    let columns = columns.chain([Column::plain("instructions per 64-byte frame", 0)]).collect();
    let mut results = Results::new(METHODS.map(|(_, name)| name), columns);
    for (column, (size, _)) in sizes.iter().enumerate() {
        results.fill(column, 1, effort.rounds, |row| {
            let seconds = (effort.time.as_secs_f64() / 3.0).to_string();
            let printed = run(&mut decode(programs, &[METHODS[row].0, size, "for", &seconds]))?.0;
            Ok(vec![printed.trim().parse::<f64>()? / 1e9])
        });
    }
    if is_installed("valgrind") {
        // The same program has the same count in each run.
        results.fill(sizes.len(), 1, 1, |row| Ok(vec![instructions(programs, METHODS[row].0)?]));
    }
    Ok(Measured {
        title: "Frame decoding",
        text: "The same stream, in pieces of 64 KiB less 7 bytes as reads would return them, through four ways to buffer and \
               decode: all complete frames in one step, as the echo server does; frame by frame, as the client does; tokio-util's codecs on \
               `bytes::BytesMut`; and a new array for each piece and each frame, as in typical first code. In one step, lines need no more than \
               the last newline of a piece, searched from its end, and u16 the lengths: most bytes are never looked at, so GB/s can exceed what memory \
               delivers. Instructions are \
               counted by callgrind, without start-up: they do not depend on the load of the machine."
            .to_owned(),
        results: Some(results),
        ..Measured::default()
    })
}

/// Instructions per frame: the difference between many frames and few, divided by the difference in frames.
fn instructions(programs: &Programs, way: &str) -> Result<f64> {
    let count = |frames: usize| -> Result<f64> {
        let inner = decode(programs, &[way, "64", "frames", &frames.to_string()]);
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        let (_, log) = run(command.arg(inner.get_program()).args(inner.get_args()))?;
        let collected = log.rsplit("Collected :").next().context("callgrind printed nothing")?;
        Ok(collected.split_whitespace().next().context("callgrind counted nothing")?.parse()?)
    };
    Ok((count(FEW + MORE)? - count(FEW)?) / MORE as f64)
}

fn decode(programs: &Programs, words: &[&str]) -> Command {
    let mut command = Command::new(programs.path("echoctl-decode"));
    command.args(words);
    command
}

/// Returns what it printed on stdout and stderr.
fn run(command: &mut Command) -> Result<(String, String)> {
    let output = command.output()?;
    let log = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{log}");
    Ok((String::from_utf8(output.stdout)?, log))
}

/// The methods of `bin/decode.rs`, with a description.
const METHODS: [(&str, &str); 7] = [
    ("lines-complete", "ours, lines, in one step"),
    ("lines-each", "ours, lines, one by one"),
    ("lines-codec", "LinesCodec"),
    ("lines-concat", "first code, lines"),
    ("u16-complete", "ours, u16, in one step"),
    ("u16-each", "ours, u16, one by one"),
    ("u16-codec", "LengthDelimitedCodec"),
];

const SIZES: [(&str, &str); 4] = [("16", "16 B"), ("64", "64 B"), ("1024", "1 KiB"), ("16384", "16 KiB")];

/// Numbers of frames: several pieces, and few enough for an instrument that is a hundred times slower than the processor.
const FEW: usize = 4_000;
const MORE: usize = 8_000;

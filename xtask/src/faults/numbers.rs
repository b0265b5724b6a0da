//! Absurd values for every option that takes a size, rate, time or count.
//!
//! The options are read from `echoctl COMMAND --help`, so that a new one is tried automatically. A value is refused
//! (exit 2, and the message names the allowed values) or the command works: it exits by itself or runs until it is stopped.
//! It never panics, aborts, hangs or uses much memory.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Findings, Launch, Running, World, tree, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("impossible-values-are-refused", |world| {
        each_option(
            world,
            |kind| match kind {
                Kind::Size => &["99999999999GiB", "18446744073709551616"],
                Kind::Rate => &["99999999999GiB", "18446744073709551616MiB/s"],
                Kind::Time => &["18446744073709551616s", "99999999999999y"],
                Kind::Count => &["18446744073709551616", "99999999999999999999"],
            },
            Expectation::Refused,
        )
    }),
    case("the-largest-and-the-smallest", |world| {
        each_option(
            world,
            |kind| match kind {
                Kind::Size => &[
                    "18446744073709551615",
                    "9223372036854775808",
                    "9223372036854775807",
                    "1PiB",
                    "4GiB",
                    "2147483648",
                    "2147483647",
                    "1",
                    "0",
                    "0.4B",
                ],
                Kind::Rate => &["18446744073709551615", "9223372036854775807", "1PiB", "1", "0"],
                Kind::Time => &["18446744073709551615s", "584554531y", "1000y", "1ns", "0", "0s"],
                Kind::Count => &[
                    "18446744073709551615",
                    "9223372036854775807",
                    "4294967296",
                    "4294967295",
                    "99999999999",
                    "2147483648",
                    "65536",
                    "65535",
                    "1",
                    "0",
                ],
            },
            Expectation::Either,
        )
    }),
    case("what-is-not-a-number", |world| {
        each_option(
            world,
            |_| {
                &[
                    "",
                    " ",
                    "-1",
                    "nan",
                    "inf",
                    "1e400",
                    "0x10",
                    "١",
                    "1,5",
                    "--",
                    "1e-400GiB",
                    "..",
                    "5..1",
                    "1..99999999999GiB",
                ]
            },
            Expectation::Either,
        )
    }),
    case("conflicting-options", pairs),
    case("socket-buffers-do-not-wrap", buffers),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Size,
    Rate,
    Time,
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expectation {
    /// Exit 2, with a bound.
    Refused,
    /// Exit 2, or it works.
    Either,
}

/// An option in its command's help.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Number {
    name: String,
    kind: Kind,
}

fn each_option(
    world: &World,
    values: impl Fn(Kind) -> &'static [&'static str],
    expected: Expectation,
) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let mut tries = Vec::new();
    for command in commands(world)? {
        let help = world.echoctl(&[&command, "--help"]).run(SOON)?.printed();
        for option in numbers(&help) {
            for value in values(option.kind) {
                tries.push((command.clone(), option.clone(), *value));
            }
        }
    }
    // If the help were not understood, nothing would be tried, and nothing found.
    ensure!(tries.len() >= 25, "only {} options were found in the help", tries.len());
    let mut findings = Findings::default();
    let name =
        |(command, option, value): &(String, Number, &str)| format!("{command} {} {value:?}", option.name);
    findings.each(&tries, name, |(command, option, value)| {
        settle(launch(world, command, option, value, &addr).start()?, expected, &option.name)
    });
    findings.verdict()
}

/// The command line with this option, and with what it needs to exit soon on this machine.
fn launch(world: &World, command: &str, option: &Number, value: &str, addr: &str) -> Launch {
    let own = format!("{}={value}", option.name);
    let mut arguments = vec![command];
    match command {
        "serve" => arguments.extend(["--addr", "127.0.0.1:0"]),
        "flood" => {
            arguments.extend([addr, "--plain"]);
            arguments.extend(if option.name == "--for" { ["--bytes", "1KiB"] } else { ["--for", "100ms"] });
        }
        "ping" => {
            arguments.push(addr);
            arguments.extend(if option.name == "--count" { ["--for", "100ms"] } else { ["--count", "1"] });
        }
        "watch" => {
            arguments.extend([addr, "--plain"]);
            arguments.extend(if option.name == "--for" { [].as_slice() } else { &["--for", "100ms"] });
        }
        "audit" => {
            arguments.push(addr);
            arguments.extend(if option.name == "--for" { ["--bytes", "1MiB"] } else { ["--for", "200ms"] });
        }
        "send" => arguments.push(addr),
        "lesson" => arguments.extend(["buffer", "--yes"]),
        _ => {}
    }
    // The option comes first, so that the arguments after it cannot be its value.
    arguments.insert(1, &own);
    world.echoctl(&arguments).limit(libc::RLIMIT_AS, 8 << 30)
}

/// Waits until it has refused the value, finished, or shown that it keeps running; then it is stopped.
fn settle(running: Running, expected: Expectation, option: &str) -> Result<()> {
    let has_begun = |running: &Running| running.printed().contains("listening on ");
    wait_until(LONG_ENOUGH, || !running.is_alive() || has_begun(&running));
    let goes_on = running.is_alive();
    let memory = tree::anonymous_memory(running.pid()).unwrap_or(0);
    ensure!(memory < MUCH, "it uses {} MiB", memory >> 20);
    if goes_on {
        running.signal(libc::SIGINT);
        let ended = running.end(SOON)?;
        ensure!(expected == Expectation::Either, "it was accepted: {ended}");
        // Some commands are killed by the signal, which is fine too.
        return if ended.signal == Some(libc::SIGINT) { Ok(()) } else { ended.in_order() };
    }
    let ended = running.end(SOON)?;
    ended.in_order()?;
    if ended.code != Some(2) {
        ensure!(expected == Expectation::Either, "it was accepted: {ended}");
        return ended.with_code(&[0, 1, 3, 4, 130]);
    }
    // The message names the option or the bound, and if nothing else is to be said, the bound.
    ended.has_any(&[&[option], BOUND.as_slice()].concat())?;
    if expected == Expectation::Refused {
        ended.has_any(&BOUND)?;
    }
    Ok(())
}

/// Words by which a message names a bound.
const BOUND: [&str; 8] = ["at most", "largest", "maximum", "up to", "between", "..=", " to ", "not in"];

/// Options that are valid separately but not together: refused with a message, or they work.
fn pairs(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let commands = [
        &[
            "serve",
            "--addr",
            "127.0.0.1:0",
            "--backpressure",
            "watermark",
            "--queue-limit",
            "1KiB",
            "--resume-at",
            "2KiB",
        ][..],
        &["serve", "--addr", "127.0.0.1:0", "--max-frame", "4GiB", "--memory-limit", "1MiB"],
        &["serve", "--addr", "127.0.0.1:0", "--framing", "u16", "--max-frame", "1GiB"],
        &["serve", "--addr", "127.0.0.1:0", "--queue-limit", "1B", "--memory-limit", "1B"],
        &["serve", "--addr", "127.0.0.1:0", "--io", "threads", "--workers", "3"],
        &["serve", "--addr", "127.0.0.1:0", "--io", "one-thread", "--backpressure", "budget"],
        &["flood", &addr, "--size", "1GiB", "--bytes", "1KiB", "--plain"],
        &["flood", &addr, "--size", "2GiB", "--framing", "u16", "--for", "100ms", "--plain"],
        &["flood", &addr, "--size", "1", "--framing", "u32", "--for", "100ms", "--plain"],
        &["flood", &addr, "--write-size", "1GiB", "--for", "100ms", "--plain"],
        &["flood", &addr, "--connections", "65535", "--bytes", "1KiB", "--plain"],
        &["flood", &addr, "--no-read", "--read-rate", "1KiB", "--for", "100ms", "--plain"],
        &["flood", &addr, "--read-rate", "1", "--then-read", "--for", "100ms", "--bytes", "1KiB", "--plain"],
        &["ping", &addr, "--size", "64KiB", "--framing", "u16", "--count", "1"],
        &["ping", &addr, "--connections", "65535", "--count", "1"],
        &["ping", &addr, "--rate", "4294967295", "--for", "100ms"],
        &["audit", &addr, "--connections", "65535", "--for", "200ms"],
        &["audit", &addr, "--project", "18446744073709551615", "--for", "200ms"],
    ];
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |command| command.join(" "),
        |command| {
            settle(world.echoctl(command).limit(libc::RLIMIT_AS, 8 << 30).start()?, Expectation::Either, "")
        },
    );
    findings.verdict()
}

/// A buffer of 4 GiB is refused, or is at least not smaller than one of 1 MiB, measured by the bytes that fit into it.
fn buffers(world: &World) -> Result<()> {
    let mut findings = Findings::default();
    for option in ["--rcvbuf", "--sndbuf"] {
        let modest = taken(world, option, "1MiB")?.context("1 MiB is refused")?;
        for size in ["2147483647", "2147483648", "4294967296", "4294967297", "1TiB"] {
            let result = taken(world, option, size).and_then(|taken| {
                let is_right = taken.is_none_or(|taken| taken * 2 > modest);
                ensure!(is_right, "{taken:?} bytes fit, where {modest} fit with 1 MiB");
                Ok(())
            });
            findings.add(format!("{option} {size}"), result);
        }
    }
    findings.verdict()
}

/// Number of bytes that a server accepts from a client that reads nothing, if it starts at all.
fn taken(world: &World, option: &str, size: &str) -> Result<Option<usize>> {
    use std::io::Write;
    let server = world.echoctl(&["serve", "--addr", "127.0.0.1:0", option, size]).start()?;
    wait_until(SOON, || !server.is_alive() || server.printed().contains("listening on "));
    if !server.is_alive() {
        server.end(SOON)?.with_code(&[2])?;
        return Ok(None);
    }
    let addr = server.await_text("listening on ", SOON)?;
    let mut client = std::net::TcpStream::connect(addr.trim_end_matches(':'))?;
    client.set_write_timeout(Some(Duration::from_secs(1)))?;
    let piece = "0123456\n".repeat(512);
    let mut taken = 0;
    while let Ok(length) = client.write(piece.as_bytes()) {
        taken += length;
    }
    Ok(Some(taken))
}

/// The commands in `echoctl --help`.
fn commands(world: &World) -> Result<Vec<String>> {
    let help = world.echoctl(&["--help"]).run(SOON)?.printed();
    let list = help.split_once("Commands:\n").context("the help lists no commands")?.1;
    let lines = list.lines().take_while(|line| !line.trim().is_empty());
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names = lines.filter(is_name).filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != "help").map(str::to_owned).collect())
}

/// The options in a help text that take a number, by the name of their value.
fn numbers(help: &str) -> Vec<Number> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for line in help.lines().map(str::trim) {
        let Some((names, rest)) = line.split_once(" <") else { continue };
        let Some(name) = names.split(", ").find(|name| name.starts_with("--")) else { continue };
        let value = rest.split('>').next().unwrap_or_default();
        let kind = match value {
            "SIZE" => Kind::Size,
            "RATE" => Kind::Rate,
            "TIME" | "DURATION" => Kind::Time,
            "N" | "M" | "PID" | "COUNT" => Kind::Count,
            _ => continue,
        };
        if seen.insert(name.to_owned()) {
            found.push(Number { name: name.to_owned(), kind });
        }
    }
    found
}

/// Maximum time in which a command refuses a value, or has shown that it keeps running.
const LONG_ENOUGH: Duration = Duration::from_millis(1500);

/// More bytes than any of these commands needs: a tenth of a small machine.
const MUCH: u64 = 400 << 20;

/// Maximum time for a command of a second or less, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_with_numbers_are_found_in_a_help_text() {
        let help = "  -s, --size <SIZE>\n          Frames of --size <SIZE> bytes\n      --addr <ADDR>\n\
                    \x20     --for <TIME>   How long\n      --workers <N>\n      --rate <RATE>\n  -h, --help\n";
        let found: Vec<_> = numbers(help).into_iter().map(|number| (number.name, number.kind)).collect();
        let expected = [
            ("--size", Kind::Size),
            ("--for", Kind::Time),
            ("--workers", Kind::Count),
            ("--rate", Kind::Rate),
        ];

        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }
}

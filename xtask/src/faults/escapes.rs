//! Text from outside reaches a terminal as text: no escape sequence but our own, no control character, no change of
//! direction; and none at all in a pipe or where `TERM` is `dumb`.
//!
//! Each input gets [`EVIL`], and the output is read from a pipe, from a terminal, and from a dumb one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::case::{Case, case, quick};
use super::kit::text::{EVIL, Medium, harmless};
use super::kit::{Ended, Findings, Launch, World, own_program};
use super::records;

pub(super) const CASES: &[Case] = &[
    quick("in-a-record", |world| drawn(world, &world.record()?, false)),
    case("in-a-record-in-every-drawing", |world| drawn(world, &world.record()?, true)),
    case("in-a-record-of-an-audit", |world| drawn(world, &audited(world)?, true)),
    case("in-a-record-of-a-watch", |world| drawn(world, &watched(world)?, true)),
    quick("in-a-script", scripts),
    quick("in-an-address", addresses),
    quick("in-a-file-name", file_names),
    quick("in-an-option", options),
    quick("in-the-name-of-a-process", process_name),
    case("in-an-answer", answers),
    quick("in-what-a-command-prints", |world| {
        let mut findings = Findings::default();
        let script = format!("printf '%s\\n' '{EVIL}'; exit 1");
        let printed = || world.echoctl(&["audit", "--ready-timeout", "5s", "--", "sh", "-c", &script]);
        findings.add("its output", on_each_medium(printed));
        findings.add("its name", on_each_medium(|| world.echoctl(&["audit", "--", EVIL])));
        findings.add("its arguments", on_each_medium(|| world.echoctl(&["audit", "--", "false", EVIL])));
        findings.verdict()
    }),
    case("in-the-name-of-a-student", |world| {
        on_each_medium(|| world.echoctl(&["lesson", "stream", "--yes", "--name", EVIL]))?;
        on_each_medium(|| world.echoctl(&["lesson", "stream", "--yes", "--json", "--name", EVIL]))
    }),
    quick("a-dumb-terminal-gets-none", dumb),
];

/// Runs the command with a pipe, a terminal and a dumb terminal, and checks its whole output.
fn on_each_medium(launch: impl Fn() -> Launch) -> Result<()> {
    on_each_medium_as(Medium::Plain, launch)
}

/// The same for a command that may print `in_pipe` into a pipe.
fn on_each_medium_as(in_pipe: Medium, launch: impl Fn() -> Launch) -> Result<()> {
    let pipe = launch().start()?;
    let terminal = launch().terminal().start()?;
    let dumb = launch().env("TERM", "dumb").terminal().start()?;
    let mut findings = Findings::default();
    findings.add("in a pipe", pipe.end(SOON).and_then(|ended| is_clean(&ended, in_pipe)));
    findings.add("on a terminal", terminal.end(SOON).and_then(|ended| is_clean(&ended, Medium::Terminal)));
    findings.add("on a dumb terminal", dumb.end(SOON).and_then(is_clean_on_dumb_terminal));
    findings.verdict()
}

fn is_clean_on_dumb_terminal(mut ended: Ended) -> Result<()> {
    // A terminal ends each line with it.
    ended.out = String::from_utf8_lossy(&ended.out).replace("\r\n", "\n").into_bytes();
    is_clean(&ended, Medium::Plain)
}

fn is_clean(ended: &Ended, medium: Medium) -> Result<()> {
    ended.in_order()?;
    harmless(&ended.out, medium)?;
    harmless(&ended.err, medium)
}

/// Checks that commands print nothing harmful on any medium.
fn all_clean(world: &World, commands: &[&[&str]]) -> Result<()> {
    let mut findings = Findings::default();
    let name = |command: &&[&str]| command.join(" ").escape_debug().to_string();
    findings.each(commands, name, |command| on_each_medium(|| world.echoctl(command)));
    findings.verdict()
}

fn addresses(world: &World) -> Result<()> {
    let addrs = [EVIL.to_owned(), format!("{EVIL}:7007"), format!("127.0.0.1:{EVIL}"), format!("[{EVIL}]:1")];
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for addr in &addrs {
        commands.extend(["ping", "flood", "send", "watch", "audit"].map(|command| vec![command, addr]));
        commands.extend(["serve", "dns"].map(|command| vec![command, "--addr", addr]));
    }
    all_clean(world, &commands.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    on_each_medium(|| world.echoctl(&["ping"]).env("ECHOCTL_ADDR", &addrs[1]))
}

fn drawn(world: &World, record: &Value, is_full: bool) -> Result<()> {
    let file = world.file("good.json", record.to_string())?;
    let changed = [records::with_text(record, EVIL), records::with_key(record, EVIL)].concat();
    let mut findings = Findings::default();
    let numbered: Vec<_> = changed.iter().enumerate().collect();
    findings.each(
        &numbered,
        |(_, (place, _))| place.clone(),
        |(number, (_, record))| {
            let evil = world.file(&format!("evil-{number}.json"), record.to_string())?;
            if !is_full {
                let ended = world.echoctl(&["report", &evil]).terminal().run(SOON)?;
                return is_clean(&ended, Medium::Terminal);
            }
            for command in [&["report", &evil][..], &["report", "--plain", &evil], &["compare", &file, &evil]]
            {
                on_each_medium(|| world.echoctl(command)).with_context(|| command[..2].join(" "))?;
            }
            for option in ["-o", "--csv", "--svg"] {
                let ended = world.echoctl(&["report", &evil, option, "-"]).run(SOON)?;
                is_clean(&ended, Medium::Data).context(option)?;
            }
            Ok(())
        },
    );
    findings.verdict()
}

fn audited(world: &World) -> Result<Value> {
    let (_server, addr) = world.serve(&["--backpressure", "off"])?;
    let command = ["audit", &addr, "--for", "1s", "--bytes", "8MiB", "--record", "audit.json"];
    world.echoctl(&command).run(SOON)?.in_order()?;
    Ok(serde_json::from_slice(&std::fs::read(world.path("audit.json"))?)?)
}

fn watched(world: &World) -> Result<Value> {
    let (_server, addr) = world.serve(&[])?;
    let command = ["watch", &addr, "--for", "300ms", "--plain", "--record", "watch.json"];
    world.echoctl(&command).run(SOON)?.in_order()?;
    Ok(serde_json::from_slice(&std::fs::read(world.path("watch.json"))?)?)
}

fn scripts(world: &World) -> Result<()> {
    // Written as TOML and JSON require, and raw, which both forbid: the error quotes the place.
    let escaped = r"\u001b]0;PWNED\u0007\u001b[7;36;45mEVIL\u009b31m\u202elru";
    let toml = [
        EVIL.to_owned(),
        format!("[{EVIL}]"),
        format!("echo = \"{EVIL}\""),
        format!("\"{escaped}\" = 1"),
        format!("echo = \"{escaped}\""),
        format!("[\"{escaped}\"]\nkind = 1"),
        format!("[stimulus]\nkind = \"x\"\n\"{escaped}\" = 1"),
        format!("[stimulus]\nkind = \"{escaped}\"\n[[stimulus.repeat]]\nhex = \"{escaped}\""),
        format!("[stimulus]\nkind = \"x\"\n[[stimulus.repeat]]\nfile = \"{escaped}\""),
        format!("[stimulus]\nkind = \"{escaped}\"\n[[stimulus.repeat]]\ntext = \"{escaped}\""),
    ];
    let json = [
        format!("{{\"{escaped}\": 1}}"),
        format!("{{\"echo\": \"{escaped}\"}}"),
        format!("{{\"stimulus\": {{\"kind\": \"x\", \"repeat\": [{{\"hex\": \"{escaped}\"}}]}}}}"),
        format!("{{\"stimulus\": {{\"kind\": \"x\", \"{escaped}\": 1}}}}"),
        format!("{{\"echo\": \"{EVIL}"),
    ];
    let named = toml.iter().map(|text| ("toml", text)).chain(json.iter().map(|text| ("json", text)));
    let numbered: Vec<_> = named.enumerate().collect();
    let mut findings = Findings::default();
    findings.each(
        &numbered,
        |(_, (_, text))| text.escape_debug().to_string(),
        |(number, (kind, text))| {
            let file = world.file(&format!("{number}.{kind}"), text)?;
            on_each_medium(|| world.echoctl(&["audit", "--script", &file, "127.0.0.1:9"]))?;
            on_each_medium_as(Medium::Data, || world.echoctl(&["audit", "--script", &file, "--show-script"]))
                .context("--show-script")
        },
    );
    findings.verdict()
}

fn file_names(world: &World) -> Result<()> {
    let missing = format!("{EVIL}.json");
    let nowhere = format!("/nowhere/{EVIL}");
    let damaged = world.file(&format!("damaged{EVIL}.json"), "{\"file\":")?;
    let (_server, addr) = world.serve(&[])?;
    let commands = [
        &["report", &missing][..],
        &["report", &damaged],
        &["compare", &damaged, &missing],
        &["audit", "--script", &missing, &addr],
        &["audit", "--request", &format!("@{missing}"), &addr],
        &["audit", "--junit", &nowhere, &addr],
        &["flood", &addr, "--bytes", "1KiB", "--record", &nowhere],
        &["flood", &addr, "--bytes", "1KiB", "--record", &missing],
        &["flood", &addr, "--bytes", "1KiB", "--report", &missing],
        &["watch", &addr, "--for", "50ms", "--record", &nowhere],
        &["demo", "--yes", "--small", "--report", &nowhere],
        &["lesson", "stream", "--yes", "--report", &nowhere],
    ];
    all_clean(world, &commands)
}

fn options(world: &World) -> Result<()> {
    let (unknown, path) = (format!("--{EVIL}"), format!("http-get:{EVIL}"));
    let commands = [
        &[EVIL][..],
        &[&unknown],
        &["help", EVIL],
        &["serve", &unknown],
        &["serve", "--backpressure", EVIL],
        &["serve", "--queue-limit", EVIL],
        &["serve", "--drain", EVIL],
        &["serve", "--workers", EVIL],
        &["flood", "--size", EVIL],
        &["flood", "--rate", EVIL],
        &["flood", "--framing", EVIL],
        &["audit", "--expect", EVIL],
        &["audit", "--preset", EVIL],
        &["audit", "--preset", &path, "127.0.0.1:9"],
        &["lesson", EVIL],
        &["lesson", "stream", "--yes", "--predict", EVIL],
        &["completions", EVIL],
        &["man", EVIL],
        &["report", "a", EVIL],
    ];
    all_clean(world, &commands)?;
    on_each_medium_as(Medium::Data, || world.echoctl(&["audit", "--request", EVIL, "--show-script"]))
}

fn process_name(world: &World) -> Result<()> {
    let (_server, addr) = world.start_peer("named", "0")?;
    let program = own_program()?.to_string_lossy().into_owned();
    let commands = [
        &["watch", &addr, "--for", "1s"][..],
        &["watch", &addr, "--for", "200ms", "--plain"],
        &["watch", &addr, "--for", "200ms", "--json"],
        &["flood", &addr, "--for", "1s", "--no-read"],
        &["flood", &addr, "--for", "200ms", "--plain"],
        &["audit", "--for", "1s", "--bytes", "4MiB", "--", &program, "__peer", "named", "{port}"],
    ];
    all_clean(world, &commands)
}

fn answers(world: &World) -> Result<()> {
    let (_server, addr) = world.start_peer("evil", "0")?;
    let commands = [
        &["flood", &addr, "--bytes", "64KiB"][..],
        &["flood", &addr, "--bytes", "64KiB", "--framing", "u16"],
        &["ping", &addr, "--count", "3", "--timeout", "2s"],
        &["audit", &addr, "--for", "1s", "--bytes", "4MiB"],
        &["audit", &addr, "--preset", "http-get:/", "--for", "1s", "--bytes", "4MiB"],
        &["audit", &addr, "--preset", "redis-get:k", "--for", "1s", "--bytes", "4MiB"],
        &["audit", &addr, "--preset", "websocket:/", "--for", "1s", "--bytes", "4MiB"],
    ];
    all_clean(world, &commands)
}

fn dumb(world: &World) -> Result<()> {
    let record = world.record()?;
    let file = world.file("run.json", record.to_string())?;
    let (_server, addr) = world.serve(&[])?;
    let commands = [
        &["--help"][..],
        &["report", &file],
        &["compare", &file, &file],
        &["flood", &addr, "--for", "1s"],
        &["watch", &addr, "--for", "1s"],
        &["ping", &addr, "--count", "10"],
        &["lesson", "stream", "--yes"],
        &["lesson"],
        &["demo", "--small", "--yes", "--no-report"],
        &["audit", &addr, "--for", "1s", "--bytes", "4MiB"],
        &["doctor"],
        &["serve", "--nonsense"],
    ];
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |command| command.join(" "),
        |command| {
            let dumb = world.echoctl(command).env("TERM", "dumb").terminal().start()?;
            // NO_COLOR turns colours off, on a terminal that has them too.
            let colourless = world.echoctl(command).env("NO_COLOR", "1").terminal().start()?;
            is_clean_on_dumb_terminal(dumb.end(SOON)?)?;
            let ended = colourless.end(SOON)?;
            let text = String::from_utf8_lossy(&ended.out);
            ensure!(
                !["\x1b[3", "\x1b[9"].iter().any(|start| is_colour(&text, start)),
                "a colour with NO_COLOR: {ended}"
            );
            Ok(())
        },
    );
    findings.verdict()
}

/// Whether the sequence at the start sets a colour: it ends with `m`, and does not return to the terminal's own colour, as 39 does.
fn is_colour(text: &str, start: &str) -> bool {
    text.match_indices(start).any(|(at, _)| {
        let parameters = &text[at + 2..];
        let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
        end.is_some_and(|end| parameters[end..].starts_with('m') && end > 1 && &parameters[..end] != "39")
    })
}

/// Maximum time for a command of some seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

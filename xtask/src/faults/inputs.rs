//! Records, scripts and requests do no harm, however long, broken or absurd they are.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::case::{Case, case, quick};
use super::kit::{Ended, Findings, Launch, World};
use super::records;

pub(super) const CASES: &[Case] = &[
    quick("an-endless-file-ends", |world| endless(world, &["/dev/zero"])),
    case("every-endless-file-ends", |world| endless(world, &["/dev/zero", "/dev/urandom", "huge.json"])),
    case("endless-input-ends", endless_input),
    quick("what-is-not-a-record-is-refused", not_records),
    case("a-record-cut-anywhere", |world| cut(world, 60)),
    quick("a-record-cut-somewhere", |world| cut(world, 7)),
    quick("a-record-with-absurd-numbers", |world| numbers(world, &[json!(5e-324), json!(1e308)], false)),
    case("a-record-with-every-absurd-number", |world| {
        let values = [
            json!(0),
            json!(-1),
            json!(5e-324),
            json!(1e-9),
            json!(1e308),
            json!(-1e308),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1.5),
            json!(null),
            json!("x"),
            json!([]),
            json!({}),
        ];
        numbers(world, &values, true)
    }),
    quick("a-record-with-absurd-times", times),
    case("a-record-with-many-samples", many_samples),
];

/// Files that never end, or are far longer than any record.
fn endless(world: &World, files: &[&str]) -> Result<()> {
    fs::File::create(world.path("huge.json"))?.set_len(64 << 30).context("cannot make a sparse file")?;
    let mut commands = Vec::new();
    for file in files {
        commands.extend([
            vec!["report", file],
            vec!["compare", file, file],
            vec!["audit", "--script", file, "127.0.0.1:9"],
        ]);
    }
    commands.push(vec!["audit", "--request", "@/dev/zero", "127.0.0.1:9"]);
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |command| command.join(" "),
        |command| bounded(world.echoctl(command))?.with_code(&[1, 2]),
    );
    findings.verdict()
}

/// A standard input that never ends.
fn endless_input(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let zero = || fs::File::open("/dev/zero").context("no /dev/zero");
    bounded(world.echoctl(&["report", "-"]).stdin(zero()?))?.with_code(&[1, 2])?;
    // A line that never ends becomes a frame that is too long.
    bounded(world.echoctl(&["send", &addr]).stdin(zero()?))?.with_code(&[1, 2])?;
    let texts = ["{\"samples\":[", "[", "\"", " ", "9", "{\"event\":\"sample\",\"t\":1}\n"];
    let mut findings = Findings::default();
    findings.each(
        &texts,
        |text| format!("endless {text:?}"),
        |text| {
            let endless = world.peer(&["spout", "0", text])?.start_source()?;
            bounded(world.echoctl(&["report", "-"]).stdin(endless))?.with_code(&[1, 2])
        },
    );
    findings.verdict()
}

fn bounded(launch: Launch) -> Result<Ended> {
    launch.limit(libc::RLIMIT_AS, 6 << 30).run(Duration::from_secs(120))
}

fn not_records(world: &World) -> Result<()> {
    let good = world.record()?.to_string();
    let deep = |open: &str, count: usize| open.repeat(count);
    let twice = good.replacen('{', "{\"samples\":[],\"summary\":null,", 1);
    let mut findings = Findings::default();
    let mut not_utf_8 = good.clone().into_bytes();
    let at = good.find("echoctl run").context("a record has its kind")?;
    not_utf_8[at] = 0xff;
    let texts = [
        ("nothing", String::new()),
        ("blanks", " \n\n".to_owned()),
        ("null", "null".to_owned()),
        ("a number", "1e999".to_owned()),
        ("NaN", good.replacen("\"t\":", "\"t\":NaN,\"x\":", 1)),
        ("infinity", good.replacen("\"t\":", "\"t\":1e999,\"x\":", 1)),
        ("keys twice", twice),
        ("a key twice in a sample", good.replacen("\"t\":", "\"t\":0,\"t\":", 1)),
        ("deep arrays", deep("[", 200_000)),
        ("deep objects", deep("{\"a\":", 200_000)),
        ("deep samples", format!("{{\"samples\":{}", deep("[", 200_000))),
        ("two records", format!("{good}\n{good}")),
        ("trailing junk", format!("{good}\nx")),
        ("another version", good.replace("\"schema_version\":2", "\"schema_version\":18446744073709551615")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("many lines", "{\"event\":\"sample\"}\n".repeat(10_000)),
        ("an empty object", "{}".to_owned()),
    ];
    let texts = texts.map(|(name, text)| (name, text.into_bytes()));
    for (name, text) in texts.into_iter().chain([("not UTF-8", not_utf_8)]) {
        let file = world.file("bad.json", &text)?;
        for command in [&["report", &file][..], &["report", &file, "-o", "-"], &["compare", &file, &file]] {
            findings.add(name, bounded(world.echoctl(command)).and_then(|ended| ended.with_code(&[1])));
        }
    }
    for file in [".", "/proc/self/mem", "/dev/null", "/proc/self/environ", "missing.json"] {
        findings.add(file, bounded(world.echoctl(&["report", file])).and_then(|ended| ended.with_code(&[1])));
    }
    findings.verdict()
}

fn cut(world: &World, places: usize) -> Result<()> {
    let good = world.record()?.to_string();
    let mut findings = Findings::default();
    for number in 0..places {
        let at = good.len() * number / places;
        let file = world.file("cut.json", &good.as_bytes()[..at])?;
        let ended = world.echoctl(&["report", &file]).run(SOON)?;
        findings.add(format!("cut at {at}"), ended.with_code(&[1]));
    }
    findings.verdict()
}

fn numbers(world: &World, values: &[Value], is_full: bool) -> Result<()> {
    let good = world.record()?;
    let mut changed = records::with_number(&good, values);
    // Reports print the machine only as words; one of its numbers represents all.
    changed.retain(|(name, _)| !name.starts_with("machine") || name.starts_with("machine.kernel_buffering"));
    draw(world, &good, &changed, is_full)
}

fn times(world: &World) -> Result<()> {
    let good = world.record()?;
    let of = |count, time: fn(usize) -> f64| records::with_times(&good, count, time);
    let changed = [
        ("no samples", of(0, |_| 0.0)),
        ("one sample", of(1, |_| 0.0)),
        ("one late sample", of(1, |_| 1e300)),
        ("equal times", of(50, |_| 1.0)),
        ("falling times", of(50, |number| 50.0 - number as f64)),
        ("negative times", of(50, |number| number as f64 - 1e9)),
        ("tiny times", of(50, |number| number as f64 * 5e-324)),
        ("adjacent times", of(50, |number| 1e15 + number as f64)),
        ("huge times", of(50, |number| number as f64 * 1e306)),
        ("times of both signs", of(3, |number| (number as f64 - 1.0) * 1.7e308)),
    ];
    draw(world, &good, &changed.map(|(name, record)| (name.to_owned(), record)), true)
}

fn many_samples(world: &World) -> Result<()> {
    let good = world.record()?;
    let many = records::with_times(&good, 30_000, |number| number as f64);
    draw(world, &good, &[("30,000 samples".to_owned(), many)], true)
}

/// Draws records in every way; that succeeds or fails cleanly, soon, and with little memory.
fn draw(world: &World, good: &Value, changed: &[(String, Value)], is_full: bool) -> Result<()> {
    let other = world.file("good.json", good.to_string())?;
    let numbered: Vec<_> = changed.iter().enumerate().collect();
    let mut findings = Findings::default();
    findings.each(
        &numbered,
        |(_, (name, _))| name.clone(),
        |(number, (_, record))| {
            let file = world.file(&format!("odd-{number}.json"), record.to_string())?;
            let mut commands = vec![vec!["report", &file], vec!["report", &file, "-o", "-"]];
            if is_full {
                commands.push(vec!["report", &file, "--svg", "-"]);
                commands.push(vec!["report", &file, "--csv", "-"]);
                commands.push(vec!["report", &file, "--plain"]);
                commands.push(vec!["compare", &file, &other]);
                commands.push(vec!["compare", &other, &file, "-o", "-"]);
            }
            for command in commands {
                bounded(world.echoctl(&command))?.with_code(&[0, 1])?;
            }
            Ok(())
        },
    );
    findings.verdict()
}

/// Maximum time for a command of some seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

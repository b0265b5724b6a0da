//! `cargo xtask audit-table CASES`: audits real servers and writes the results to docs/audited.md.
//!
//! CASES is a JSON file whose `cases` each have a `name`, what the server `shows`, its `argv` and `env` (it listens on
//! `$PORT`; paths are relative to the file), and the fields of a script. A `label` is a verdict found by
//! other means; a verdict that differs from it is marked. The software of the servers must be installed.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::process;

pub(crate) fn run(cases: &str) -> Result<()> {
    process::run(&mut process::cargo(&["build", "--release", "--package", "echoctl"]))?;
    let program = process::root().join("target/release/echoctl");
    let path = Path::new(cases).canonicalize().with_context(|| format!("cannot find {cases}"))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let all: Value =
        serde_json::from_slice(&std::fs::read(&path)?).context("the cases are not valid JSON")?;
    let all = all["cases"].as_array().context("the file has no list 'cases'")?;
    let mut rows = String::new();
    let mut wrong = Vec::new();
    for case in all {
        let name = text(case, "name");
        let began = Instant::now();
        let summary = audit(&program, folder, case).with_context(|| format!("the audit of {name}"))?;
        let seconds = began.elapsed().as_secs_f64();
        let (verdict, label) = (text(&summary, "verdict"), text(case, "label"));
        let mark = if label.is_empty() || label == verdict { "" } else { " (!)" };
        if !mark.is_empty() {
            wrong.push(name);
        }
        println!("{name}: {verdict}{mark}, {seconds:.1} s");
        writeln!(
            rows,
            "| {name} | {} | {} | **{verdict}**{mark} | {} | {} | {seconds:.1} |",
            cell(text(case, "shows")),
            cell(text(&case["stimulus"], "kind")),
            mebibytes(&summary["server_read"]),
            mebibytes(&summary["memory_growth"]),
        )?;
    }
    let file = process::root().join("docs/audited.md");
    std::fs::write(&file, page(&rows, all.len())?).context("cannot write docs/audited.md")?;
    println!("written: docs/audited.md");
    if wrong.is_empty() { Ok(()) } else { bail!("not as labelled: {}", wrong.join(", ")) }
}

/// Audits the server of one case; returns the summary.
fn audit(program: &Path, folder: &Path, case: &Value) -> Result<Value> {
    let fields = ["prepare", "setup", "feeder", "publisher", "stimulus"];
    let script: Map<String, Value> =
        fields.into_iter().filter_map(|field| Some((field.to_owned(), case.get(field)?.clone()))).collect();
    let file = std::env::temp_dir().join(format!("echoctl-audit-table-{}.json", std::process::id()));
    std::fs::write(&file, serde_json::to_vec(&script)?)?;
    let mut command = Command::new(program);
    command.args(["audit", "--json", "--ready-timeout", "120s", "--script"]).arg(&file).arg("--");
    command.args(case["argv"].as_array().context("it has no 'argv'")?.iter().filter_map(Value::as_str));
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap_or_default());
    }
    let output = command.current_dir(folder).output()?;
    // A leftover is one small temporary file.
    let _ = std::fs::remove_file(&file);
    let printed = String::from_utf8_lossy(&output.stdout);
    let Some(last) = printed.lines().last() else {
        bail!("no summary: {}", String::from_utf8_lossy(&output.stderr).trim());
    };
    Ok(serde_json::from_str(last)?)
}

fn page(rows: &str, count: usize) -> Result<String> {
    let mut page = format!(
        "# What the audit says of {count} real servers\n\n\
         Made by `cargo xtask audit-table` on {}, from one run each. A verdict holds for the server, its settings and the\n\
         stimulus together: the same server is safe under one and unbounded under another. Times are in seconds, with the\n\
         server's start in them.\n\n\
         | case | what it is | what it was sent | verdict | read, MiB | memory grew, MiB | s |\n\
         |---|---|---|---|---:|---:|---:|\n{rows}\n\
         Versions: {}.\n",
        first_line("date", &["-u", "+%Y-%m-%d"]),
        versions().join(", "),
    );
    writeln!(page, "Kernel: Linux {}.", first_line("uname", &["-r"]))?;
    Ok(page)
}

/// The versions of the installed runtimes of the servers.
fn versions() -> Vec<String> {
    let asked: [(&str, &str, &[&str]); 10] = [
        ("Node", "node", &["--version"]),
        ("", "python3", &["--version"]),
        ("", "rustc", &["--version"]),
        ("", "java", &["--version"]),
        ("", "redis-server", &["--version"]),
        ("", "nginx", &["-v"]),
        ("", "haproxy", &["-v"]),
        ("", "mosquitto", &["-h"]),
        ("", "ncat", &["--version"]),
        ("socat", "socat", &["-V"]),
    ];
    asked
        .into_iter()
        .map(|(name, program, arguments)| {
            format!("{name} {}", first_line(program, arguments)).trim().to_owned()
        })
        .filter(|version| version.contains(|c: char| c.is_ascii_digit()))
        .collect()
}

/// The first line with a number in it that a program prints, shortened to its version.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else { return String::new() };
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit())).unwrap_or_default();
    line.split(['(', ','])
        .next()
        .unwrap_or_default()
        .split(" sha=")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn mebibytes(value: &Value) -> String {
    value.as_u64().map_or_else(|| "–".to_owned(), |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20)))
}

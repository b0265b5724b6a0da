//! Promise: a memory limit that is not given is a share of the memory left to the process, and is reported.

#![cfg(target_os = "linux")] // other systems do not show the memory left to a process

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::process::{Command, Stdio};

use echoctl_record::{Machine, Run, Sample};
use echoctl_testkit::Running;

use crate::peer::{echoctl, text};

/// `echoctl` with an address space of this many KiB, as `ulimit -v` sets it.
fn limited(kibibytes: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {kibibytes} && exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_echoctl"))
        .args(arguments)
        .stdin(Stdio::null());
    command
}

#[test]
fn serve_limits_itself_to_a_quarter_of_its_address_space() {
    let serve = ["serve", "--addr", "127.0.0.1:0", "--until-stdin-ends"];

    let output = limited(600_000, &serve).output().unwrap();
    let json = limited(600_000, &[&serve[..], &["--json"]].concat()).output().unwrap();

    let stderr = text(&output.stderr);
    assert!(stderr.contains("a quarter of the") && stderr.contains("left"), "{stderr}");
    let first = text(&json.stdout).lines().next().unwrap().to_owned();
    let limit = serde_json::from_str::<serde_json::Value>(&first).unwrap()["memory_limit"].as_u64().unwrap();
    assert!((16 << 20..600_000 * 1024 / 4).contains(&limit), "{first}");
}

#[test]
fn flood_stops_at_the_memory_left_to_the_server() {
    let serve =
        ["serve", "--addr", "127.0.0.1:0", "--json", "--backpressure", "off", "--memory-limit", "8GiB"];
    let mut server = Running(limited(400_000, &serve).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let mut events = BufReader::new(server.0.stdout.take().unwrap());
    events.read_line(&mut line).unwrap();
    let addr = serde_json::from_str::<serde_json::Value>(&line).unwrap()["addr"].as_str().unwrap().to_owned();

    let output = echoctl(&["flood", &addr, "--no-read", "--for", "60s", "--plain"]).output().unwrap();

    let printed = text(&output.stdout).replace('\n', " ");
    assert!(printed.contains("a quarter of the") && printed.contains("--memory-limit"), "{printed}");
    assert!(server.0.try_wait().unwrap().is_none(), "the server keeps running");
}

#[test]
fn demo_runs_small_where_only_that_fits() {
    let mut demo = limited(500_000, &["demo", "--yes", "--json", "--no-report"]);
    let mut demo = Running(demo.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();

    BufReader::new(demo.0.stderr.take().unwrap()).read_line(&mut line).unwrap();

    assert!(line.starts_with("Running the small demo: the full one needs 544 MiB"), "{line}");
}

#[test]
fn report_refuses_a_record_that_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let mut run = Run::new("", Vec::new(), 0, "x".to_owned(), Machine::default());
    run.samples = (0..110_000).map(|index| Sample { t: f64::from(index), ..Sample::default() }).collect();
    run.write(BufWriter::new(File::create(&path).unwrap())).unwrap();

    let output = limited(100_000, &["report", path.to_str().unwrap()]).output().unwrap();

    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("fits into the available memory"), "{stderr}");
}

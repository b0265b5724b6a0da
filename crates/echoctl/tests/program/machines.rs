//! Promise: one load from several machines starts at one time, and its recordings are drawn as one run; and the recordings of a client
//! and of a watch on the server's host are joined, with the distance of their clocks.
//!
//! The tests run on hosts of their own, which are network namespaces.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, Engine};
use echoctl_record::{ClockOffset, Latency, Queues, Run, join};
use echoctl_testkit::{Hosts, Running, eventually};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::peer::{echoctl, text};

const ECHOCTL: &str = env!("CARGO_BIN_EXE_echoctl");

/// Starts of which one has to be within 50 ms. On an idle machine the first one is.
const ATTEMPTS: usize = 5;

/// The port of the server.
const PORT: u16 = 7108;

fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// Starts an echo server on a host.
fn serve(hosts: &Hosts, number: usize) -> Running {
    let addr = format!("0.0.0.0:{PORT}");
    let server = Running::start(
        hosts
            .command(number, ECHOCTL)
            .args(["serve", "--addr", &addr])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    eventually("the server listens", || TcpStream::connect((hosts.addr(number), PORT)));
    server
}

/// Runs this load on the first three hosts against the fourth at the same time, and returns their recordings, unless this machine was too
/// busy for it. None starts before the time.
fn together(hosts: &Hosts, folder: &Path, load: &[&str]) -> Option<Vec<PathBuf>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3);
    let start = format!("@{}.{:09}", since.as_secs(), since.subsec_nanos());
    let (record, target) = (folder.join("run-{index}.json"), format!("{}:{PORT}", hosts.addr(3)));
    let record = record.to_str().unwrap();
    let started = (0..3).map(|number| {
        let mut command = hosts.command(number, ECHOCTL);
        command.args(load).args([
            &target,
            "--allow-remote",
            "--start-at",
            &start,
            "--of",
            "3",
            "--record",
            record,
        ]);
        command.env("JOB_COMPLETION_INDEX", number.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
        Running::start(&mut command)
    });
    let mut kept_up = true;
    for mut client in started.collect::<Vec<_>>() {
        let mut said = String::new();
        std::io::Read::read_to_string(client.0.stderr.as_mut().unwrap(), &mut said).unwrap();
        let code = client.end("its load is over").code();
        assert!(code == Some(0) || code == Some(INCONCLUSIVE), "{said}");
        kept_up &= code == Some(0);
    }
    let files: Vec<PathBuf> = (0..3).map(|number| folder.join(format!("run-{number}.json"))).collect();
    for file in &files {
        // A recording has its start to a microsecond.
        let started = read(file).started_at.unwrap();
        assert!(started >= since.as_secs_f64() - 1e-5, "{started} before {start}");
    }
    kept_up.then_some(files)
}

/// The exit code of a ping that did not keep up with its rate.
const INCONCLUSIVE: i32 = 3;

fn read(path: &Path) -> Run {
    Run::read(&fs::read(path).unwrap()).unwrap()
}

/// How far the starts of these recordings are apart, in seconds.
fn apart(files: &[PathBuf]) -> f64 {
    let starts: Vec<f64> = files.iter().map(|file| read(file).started_at.unwrap()).collect();
    starts.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b))
        - starts.iter().fold(f64::INFINITY, |a, b| a.min(*b))
}

fn report(arguments: &[&str], files: &[PathBuf]) -> String {
    let output = echoctl(&[]).arg("report").args(arguments).args(files).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The union of the times in recordings, read by another implementation, in the words of the report.
fn union(files: &[PathBuf]) -> Vec<String> {
    let mut union = Histogram::<u64>::new_with_max(3600 * 1_000_000_000, 3).unwrap();
    for file in files {
        let run: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let bytes = BASE64_STANDARD.decode(run["ping"]["histogram"].as_str().unwrap()).unwrap();
        union.add(Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice()).unwrap()).unwrap();
    }
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
    let row = |(name, quantile): (&str, f64)| {
        let nanoseconds = union.value_at_quantile(quantile).min(union.max());
        format!("{name} {}", Latency(nanoseconds as f64 / 1e9))
    };
    let count = format!("frames that came back {}", union.len());
    [count].into_iter().chain(quantiles.map(row)).collect()
}

#[test]
fn machines_start_together_and_are_drawn_as_one() {
    let names = ["ash", "birch", "cedar", "oak"];
    let Some(hosts) = Hosts::start("machines::machines_start_together_and_are_drawn_as_one", &names, skip)
    else {
        return;
    };
    let _server = serve(&hosts, 3);
    let folder = tempfile::tempdir().unwrap();
    let load = ["ping", "-q", "200", "-t", "1s"];

    // That none starts early is checked each time. How late one starts is up to the scheduler: on a busy machine it may get no processor
    // at that moment. One attempt of a few shows that nothing but the clock decides.
    let mut attempts = (0..ATTEMPTS).filter_map(|_| together(&hosts, folder.path(), &load));
    let files = attempts.find(|files| apart(files) <= 0.05).expect("they start within 50 ms");

    let drawn = report(&[], &files);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = drawn.lines().map(words).collect();
    for row in union(&files) {
        assert!(lines.contains(&row), "{row}: {drawn}");
    }
    for (number, name) in names[..3].iter().enumerate() {
        let row = format!("{number} of 3 {name} ");
        assert!(lines.iter().any(|line| line.starts_with(&row)), "{row}: {drawn}");
        assert_eq!(read(&files[number]).host.as_deref(), Some(*name));
    }
    assert!(drawn.contains("3 machines, which started within "), "{drawn}");
    let page = report(&["-o", "-"], &files);
    assert!(page.contains("<h2>Machines</h2>") && page.contains("birch"));
    let rows = report(&["--csv", "-"], &files).lines().count();
    let samples: usize = files.iter().map(|file| read(file).samples.len()).sum();
    assert!(rows > samples / 3, "{rows} rows of {samples} samples");
}

#[test]
fn a_start_or_a_number_that_cannot_be_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("run-{index}.json");
    let record = record.to_str().unwrap();
    for (arguments, expected) in [
        (&["--start-at", "tomorrow"][..], "tomorrow"),
        (&["--start-at", "@1"], "this time has passed"),
        (&["--start-at", "@99999999999999"], "expected"),
        (&["--start-at", "+9999d"], "too long"),
        (&["--index", "4", "--of", "4"], "of 4 machines, the last one is 3"),
        (&["--of", "4"], "--index"),
        (&["--record", record], "this machine has no --index"),
    ] {
        // Nothing listens there: it is refused before.
        let command = ["ping", "127.0.0.1:1", "-n", "1"];
        let output = echoctl(&command).args(arguments).env_remove("JOB_COMPLETION_INDEX").output().unwrap();

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn a_server_that_an_audit_starts_is_ready_at_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ready");
    let command = format!("date +%s.%N > '{}'; exec '{ECHOCTL}' serve --addr 127.0.0.1:$PORT", log.display());
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(5);
    let at = format!("@{}.{:09}", start.as_secs(), start.subsec_nanos());

    let output =
        echoctl(&["audit", "--start-at", &at, "--json", "--", "sh", "-c", &command]).output().unwrap();

    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let ready: f64 = fs::read_to_string(log).unwrap().trim().parse().unwrap();
    assert!(ready < start.as_secs_f64(), "started {} s late", ready - start.as_secs_f64());
    assert!(stderr.contains("ready; the load starts at "), "{stderr}");
}

#[test]
fn floods_of_machines_add_up() {
    let names = ["ash", "birch", "cedar", "oak"];
    let Some(hosts) = Hosts::start("machines::floods_of_machines_add_up", &names, skip) else { return };
    let _server = serve(&hosts, 3);
    let folder = tempfile::tempdir().unwrap();

    let files =
        together(&hosts, folder.path(), &["flood", "-c", "2", "-n", "3MiB", "--plain"]).expect("no rate");

    let drawn = report(&[], &files);
    let has_row = |name: &str, value: &str| {
        drawn.lines().any(|line| line.starts_with(name) && line.trim_end().ends_with(value))
    };
    assert!(
        has_row("connections", "6") && has_row("sent", "9 MiB") && has_row("read back", "9 MiB"),
        "{drawn}"
    );
    let csv = report(&["--csv", "-"], &files);
    let last: Vec<&str> = csv.lines().last().unwrap().split(',').collect();
    assert_eq!((last[2], last[7]), ("9437184", "9437184"), "{csv}");
}

#[test]
fn both_ends_of_connections_are_joined() {
    let names = ["ash", "oak"];
    let Some(hosts) = Hosts::start("machines::both_ends_of_connections_are_joined", &names, skip) else {
        return;
    };
    let _server = serve(&hosts, 1);
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("client.json"), folder.path().join("server.json"));
    let other = TcpStream::connect((hosts.addr(1), PORT)).unwrap();
    let mut watch = hosts.command(1, ECHOCTL);
    watch.args(["watch", &PORT.to_string(), "--every", "50ms", "--record"]).arg(&there);
    let watch_log = folder.path().join("watch.txt");
    watch.stdout(fs::File::create(&watch_log).unwrap()).stderr(Stdio::null());
    let mut watch = Running::start(&mut watch);
    eventually("it watches", || fs::read_to_string(&watch_log).is_ok_and(|lines| lines.lines().count() > 1));

    let target = format!("{}:{PORT}", hosts.addr(1));
    let mut flood = hosts.command(0, ECHOCTL);
    flood.args(["flood", &target, "--allow-remote", "-c", "3", "--no-read", "--rate", "30MiB", "-t", "2s"]);
    // The connections are idle before, so that the watch sees their first bytes.
    flood.args(["--plain", "--start-at", "+2s"]);
    let flood = flood.arg("--record").arg(&here).output().unwrap();
    assert!(flood.status.success(), "{}", text(&flood.stderr));
    watch.signal("INT");
    watch.end("it was interrupted");
    drop(other);

    let (client, mut server) = (read(&here), read(&there));
    let joined = join(&client, &server).unwrap();
    assert_eq!((joined.connections.joined, joined.connections.of_client), (3, 3));
    assert!(joined.connections.of_server > 3, "the other connection is left out");
    let mut held = 0;
    for sample in &joined.run.samples {
        let queues = Queues::of(sample);
        assert_eq!(queues.total(), sample.produced - sample.consumed, "{sample:?}");
        held = held.max(queues.in_kernels().unwrap());
    }
    assert!(held > 1 << 20, "{held} bytes in the kernels of both hosts");
    let ahead = |joined: &ClockOffset| match *joined {
        ClockOffset::Estimated { ahead: Some(ahead), uncertainty } => (ahead, uncertainty),
        ref other => panic!("{other:?}"),
    };
    let (same, uncertainty) = ahead(&joined.offset);
    assert!(same.abs() <= uncertainty && uncertainty < 1.0, "{same} ± {uncertainty}");

    server.started_at = server.started_at.map(|start| start + 2.5);
    server.write(fs::File::create(&there).unwrap()).unwrap();
    let (later, uncertainty) = ahead(&join(&client, &server).unwrap().offset);
    assert!((later - 2.5).abs() <= uncertainty, "{later} ± {uncertainty}");
    let drawn = report(&["--join"], &[there.clone(), here.clone()]);
    assert!(
        drawn.contains("The clock of oak is 2.") && drawn.contains(" ahead of that of ash, ± "),
        "{drawn}"
    );
    assert!(drawn.contains("3 connections of ash joined with oak"), "{drawn}");
    // The client did not see the server. What the join knows is said everywhere.
    let said = client.summary().unwrap().reason.as_ref().unwrap();
    assert!(said.contains("the server's kernel accepted") && !said.contains("stopped reading"), "{said}");
    let words = drawn.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Reason for the verdict: the server had read "), "{drawn}");
    assert!(
        !words.contains("memory is not visible") && words.contains("maximum inside the server"),
        "{drawn}"
    );

    // Hosts of one name, as clones and containers are.
    server.host.clone_from(&client.host);
    server.write(fs::File::create(&there).unwrap()).unwrap();
    let drawn = report(&["--join"], &[there, here]);
    assert!(drawn.contains("3 connections of client joined with server"), "{drawn}");
}

#[test]
fn recordings_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let watched = folder.path().join("watched.json");
    let output = echoctl(&["watch", &addr, "--for", "100ms", "--record"]).arg(&watched).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));

    let refused = |arguments: &[&str], reason: &str| {
        let output =
            Command::new(ECHOCTL).arg("report").args(arguments).args([&watched, &watched]).output().unwrap();
        let error = text(&output.stderr);
        assert!(!output.status.success() && error.contains(reason), "{arguments:?}: {error}");
    };
    refused(&[], "not the recording of a finished flood or ping");
    refused(&["--join"], "2 are of a watch");
}

//! `echoctl report` and `echoctl compare` draw a record, and explain why another file is not one.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use echoctl_record::{
    ConnectionCause, ConnectionRow, Ending, Machine, PingSummary, Run, Sample, Summary, Verdict, WatchSummary,
};

/// A record in `folder`: a client that reads for two seconds and stops for two. The share `buffered` of what it then sends stays
/// inside the server.
fn record(folder: &Path, name: &str, buffered: f64) -> PathBuf {
    let sample = |step: u64| {
        let t = step as f64 / 20.0;
        let consumed = step.min(40) << 20;
        let produced = consumed + ((step.saturating_sub(40) << 20) as f64 * buffered) as u64;
        Sample {
            t,
            connections: 1,
            produced,
            server_received: Some(produced),
            server_read: Some(produced),
            server_written: Some(consumed),
            client_received: Some(consumed),
            consumed,
            server_memory: Some((1 << 20) + produced - consumed),
            ..Sample::default()
        }
    };
    let machine = Machine { system: "linux".to_owned(), ..Machine::default() };
    let mut run = Run::new("0.1.0", vec!["echoctl".to_owned()], 0, "127.0.0.1:7007".to_owned(), machine);
    run.samples = (0..=80).map(sample).collect();
    let summary = Summary { verdict: Some(Verdict::Unbounded), ..Summary::new("127.0.0.1:7007".to_owned()) };
    run.ending = Some(Ending::Flood { summary });
    let path = folder.join(name);
    let file = std::fs::File::create(&path).expect("the folder can be written");
    run.write(file).expect("the disk has room");
    path
}

fn echoctl(arguments: &[&Path]) -> Command {
    let mut command = Command::cargo_bin("echoctl").expect("cargo has built the program");
    command.args(arguments);
    command
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).expect("it prints text")
}

#[test]
fn without_a_terminal_no_escape_codes_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), "run.json", 1.0);

    let drawn = stdout(&mut echoctl(&["report".as_ref(), &file]));
    let plain = stdout(echoctl(&["report".as_ref(), &file]).arg("--plain"));

    for text in [&drawn, &plain] {
        assert!(text.contains("inside the server: at most 40 MiB"), "{text}");
        assert!(text.contains("stops reading") && text.contains("unbounded"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
    assert!(drawn.contains('█') && plain.is_ascii(), "{plain}");
}

#[test]
fn a_record_is_read_from_standard_input_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), "run.json", 1.0);

    let named = stdout(&mut echoctl(&["report".as_ref(), &file]));
    let piped =
        stdout(echoctl(&["report".as_ref(), "-".as_ref()]).write_stdin(std::fs::read(&file).unwrap()));

    assert_eq!(piped, named);
}

#[test]
fn page_csv_and_drawing_are_written_to_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), "run.json", 1.0);
    let to = |name: &str| folder.path().join(name);

    let mut command = echoctl(&["report".as_ref(), &file, "-o".as_ref(), &to("page.html")]);
    let shown = stdout(command.arg("--csv").arg(to("run.csv")).arg("--svg").arg(to("run.svg")));

    assert_eq!(shown, "", "results went to the files");
    let page = std::fs::read_to_string(to("page.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme"));
    assert!(!page.contains("src=") && !page.contains("href="), "a page needs no network");
    assert_eq!(std::fs::read_to_string(to("run.csv")).unwrap().lines().count(), 1 + 81);
    assert!(std::fs::read_to_string(to("run.svg")).unwrap().starts_with("<svg"));

    let numbers = stdout(echoctl(&["report".as_ref(), &file]).args(["--csv", "-"]));
    assert!(numbers.starts_with("t,connections,produced"), "{numbers}");
}

#[test]
fn two_records_share_one_axis() {
    let folder = tempfile::tempdir().unwrap();
    let (off, on) = (record(folder.path(), "off.json", 1.0), record(folder.path(), "on.json", 0.0));
    let page = folder.path().join("both.html");

    let drawn = stdout(&mut echoctl(&["compare".as_ref(), &off, &on]));
    echoctl(&["compare".as_ref(), &off, &on, "-o".as_ref(), &page]).assert().success();

    assert!(drawn.contains("off: 40 MiB") && drawn.contains("on: 0 B"), "{drawn}");
    assert!(std::fs::read_to_string(page).unwrap().contains("<h1>off and on</h1>"));
}

/// The same recording as that of a watch or a ping.
fn as_kind(file: &Path, name: &str, ending: Ending) -> PathBuf {
    let bytes = std::fs::read(file).expect("it was written");
    let mut run = Run::read(&bytes).expect("it is a record");
    run.ending = Some(ending);
    let path = file.with_file_name(name);
    let file = std::fs::File::create(&path).expect("the folder can be written");
    run.write(file).expect("the disk has room");
    path
}

fn stalled_watch() -> Ending {
    let row = ConnectionRow {
        client: "127.0.0.1:38340".to_owned(),
        cause: ConnectionCause::ClientDoesNotRead,
        cause_seconds: Some(265.0),
        server_send: 3 << 20,
        ..ConnectionRow::default()
    };
    Ending::Watch { watch: WatchSummary { top: vec![row], max_queued: 3 << 20, ..WatchSummary::default() } }
}

#[test]
fn a_watch_begins_with_who_stalls() {
    let folder = tempfile::tempdir().unwrap();
    let file = as_kind(&record(folder.path(), "run.json", 1.0), "watch.json", stalled_watch());
    let page = folder.path().join("page.html");

    let drawn = stdout(&mut echoctl(&["report".as_ref(), &file]));
    echoctl(&["report".as_ref(), &file, "-o".as_ref(), &page]).assert().success();

    let who = "127.0.0.1:38340: client does not read (265 s), 3 MiB queued.";
    assert!(drawn.starts_with(who), "{drawn}");
    let page = std::fs::read_to_string(page).unwrap();
    let (lead, charts) = (page.find(who).unwrap(), page.find("<svg").unwrap());
    let table = page.find("What connections waited for").unwrap();
    assert!(lead < table && table < charts, "the worst first, and the charts last");
    assert!(!page.contains("Not visible here: the client"), "its clients have one window each");
}

#[test]
fn only_runs_of_one_kind_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let flood = record(folder.path(), "flood.json", 1.0);
    let watch = as_kind(&flood, "watch.json", stalled_watch());
    let later = as_kind(&flood, "later.json", stalled_watch());
    let ping = as_kind(&flood, "ping.json", Ending::Ping { ping: PingSummary::default() });

    for (one, other) in [(&flood, &watch), (&ping, &watch), (&flood, &ping)] {
        let assert = echoctl(&["compare".as_ref(), one, other]).assert().code(2);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.contains("they measure different things"), "{error}");
    }
    let both = stdout(&mut echoctl(&["compare".as_ref(), &watch, &later]));

    for expected in [
        "watch: 127.0.0.1:38340: client does not read (265 s), 3 MiB queued.",
        "Bytes in the kernels' queues",
        "later: Connections that waited",
    ] {
        assert!(both.contains(expected), "{expected}: {both}");
    }
    assert!(!both.contains("Sent"), "{both}");
}

#[test]
fn a_ping_without_a_backlog_is_its_round_trip_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = record(folder.path(), "run.json", 0.0);
    let ping = as_kind(&file, "ping.json", Ending::Ping { ping: PingSummary::default() });
    let page = folder.path().join("page.html");

    let drawn = stdout(&mut echoctl(&["report".as_ref(), &ping]));
    echoctl(&["report".as_ref(), &ping, "-o".as_ref(), &page]).assert().success();

    let page = std::fs::read_to_string(page).unwrap();
    for text in [&drawn, &page] {
        assert!(!text.contains("Bytes in flight") && !text.contains("Receive window"), "{text}");
    }
    assert!(page.contains("no queue and no window is worth a chart"), "{page}");
}

#[test]
#[cfg(unix)]
fn endless_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long.json");
    std::fs::File::create(&long).and_then(|file| file.set_len(10 << 30)).expect("a hole takes no room");

    for (path, reason) in [
        (Path::new("/dev/zero"), "not an echoctl record"),
        (folder.path(), "directory"),
        (&long, "more than 1 GiB"),
        (&folder.path().join("missing"), "cannot read"),
    ] {
        let assert = echoctl(&["report".as_ref(), path]).assert().code(1);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_file_that_is_not_a_record_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(record(folder.path(), "run.json", 1.0)).unwrap();
    let bad = folder.path().join("bad.json");

    for (content, reason) in [
        (&whole[..whole.len() / 2], "truncated"),
        (b"root:x:0:0", "not an echoctl record"),
        (b"", "empty"),
        (b"{\"event\":\"x\"}", "no samples"),
    ] {
        std::fs::write(&bad, content).unwrap();
        let assert = echoctl(&["report".as_ref(), &bad]).assert().code(1);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.contains("bad.json") && error.contains(reason), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

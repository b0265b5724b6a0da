//! Promise: `echoctl audit` gives the right verdict on servers of every kind, and claims nothing that it did not count.
#![cfg(target_os = "linux")]

use std::process::{ExitStatus, Stdio};

use echoctl_observe::{Process, ProcessTree};
use echoctl_testkit::{Running, eventually, signal};
use serde_json::Value;

use crate::peer::{closed_addr, echoctl, server, text};
use crate::schema::{conforms, schema};

/// An audit that waits for a server that never listens, and the processes that its command starts.
struct Waiting {
    audit: Running,
    sleepers: Vec<u32>,
}

impl Waiting {
    /// Starts it, and waits until `count` processes of the command sleep.
    fn start(command: &str, count: usize) -> Waiting {
        let audit = Running::start(
            std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"))
                .args(["audit", "--ready-timeout", "100s", "--", "sh", "-c", command])
                .stderr(Stdio::null()),
        );
        let sleepers = eventually("the command has started all processes", || {
            let tree = ProcessTree::new([audit.pid()]).unwrap();
            let sleeping = tree.members().filter(|process| process.name() == "sleep").map(Process::pid);
            let sleeping: Vec<u32> = sleeping.collect();
            if sleeping.len() == count { Ok(sleeping) } else { Err(sleeping) }
        });
        Waiting { audit, sleepers }
    }

    /// Waits until the audit exits and none of the processes runs.
    fn end(mut self) -> ExitStatus {
        let status = self.audit.end("the audit");
        eventually("no process is left", || self.sleepers.iter().all(|pid| Process::open(*pid).is_err()));
        status
    }
}

/// Signals an audit when the `count` processes of its command are running, and waits until none of them is.
fn signalled(signals: &[&str], command: &str, count: usize) -> ExitStatus {
    let waiting = Waiting::start(command, count);
    for signal in signals {
        waiting.audit.signal(signal);
    }
    waiting.end()
}

/// Starts processes that leave the process group, the session and the environment, and one that ignores SIGTERM.
const RUNAWAYS: &str =
    "setsid -f env -i sleep 1000; (trap '' TERM HUP; exec setsid sleep 1000) & sleep 1000 & exit 0";

#[test]
fn an_interrupted_audit_stops_what_it_started() {
    assert_eq!(signalled(&["INT"], "sleep 1000 & sleep 1000; true", 2).code(), Some(130));
    assert_eq!(signalled(&["INT"], RUNAWAYS, 3).code(), Some(130));
}

#[test]
fn an_audit_interrupted_twice_leaves_nothing_running() {
    assert_eq!(signalled(&["INT", "INT"], RUNAWAYS, 3).code(), Some(130));
}

#[test]
fn a_killed_audit_leaves_nothing_running() {
    assert_eq!(signalled(&["KILL"], "sleep 1000 & sleep 1000; true", 2).code(), None);
    assert_eq!(signalled(&["KILL"], RUNAWAYS, 3).code(), None);
}

#[test]
fn an_audit_ended_by_sighup_leaves_nothing_running() {
    signalled(&["HUP"], RUNAWAYS, 3);
}

#[test]
fn an_audit_whose_supervisor_is_killed_leaves_nothing() {
    let waiting = Waiting::start(RUNAWAYS, 3);
    let supervisor = Process::open(waiting.audit.pid()).unwrap().children()[0];

    signal(supervisor, "KILL");

    // The audit exits by itself, because there is nothing left to wait for.
    assert_eq!(waiting.end().code(), Some(4));
}

#[test]
fn a_foreign_listener_is_exit_4_and_unharmed() {
    let (held, addr) = closed_addr();
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let command = format!("touch {}; exec sleep 1000", started.display());
    let mut audit = echoctl(&["audit", &addr, "--ready-timeout", "100s", "--", "sh", "-c", &command]);
    let audit = std::thread::spawn(move || audit.output().unwrap());
    // Bound by this process, which is not the command's, and which starts to listen while the audit waits for the command.
    eventually("the command starts", || started.exists());
    held.listen(9).unwrap();

    let output = audit.join().unwrap();

    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    for said in
        ["listens on", &format!("(pid {}", std::process::id()), "not a process of the command", "hint: "]
    {
        assert!(error.contains(said), "{said}: {error}");
    }
    held.set_nonblocking(true).unwrap();
    assert!(held.accept().is_err(), "not even a connection was made");
}

/// Audits with `options` and `--json`; returns the summary and the exit code.
fn audit(options: &[&str]) -> (Value, i32) {
    let output = echoctl(&[&["audit", "--json"], options].concat()).output().unwrap();
    let line = text(&output.stdout).lines().last().map(str::to_owned);
    let line = line.unwrap_or_else(|| panic!("no summary: {}", text(&output.stderr)));
    (serde_json::from_str(&line).unwrap(), output.status.code().unwrap())
}

/// Audits our own server with a policy, and checks the summary against the schema.
fn own(policy: &[&str]) -> (Value, i32) {
    let serve = [env!("CARGO_BIN_EXE_echoctl"), "serve", "--addr", "127.0.0.1:{port}", "--backpressure"];
    let options = [&["--preset", "echo", "--bytes", "64MiB", "--"], &serve[..], policy].concat();
    let (summary, code) = audit(&options);
    assert_eq!(conforms(&summary, &schema("audit")), Ok(()));
    (summary, code)
}

#[test]
fn our_server_without_backpressure_is_unbounded() {
    let (summary, code) = own(&["off"]);

    assert_eq!((summary["verdict"].as_str(), code), (Some("unbounded"), 1), "{summary}");
    assert!(summary["memory_growth"].as_u64().unwrap() > 32 << 20, "{summary}");
    assert!(summary["drained_beyond_kernels"].as_u64().unwrap() > 16 << 20, "{summary}");
}

#[test]
fn our_bounded_policies_are_bounded_and_lose_nothing() {
    for policy in ["await", "bounded", "watermark"] {
        let (summary, code) = own(&[policy]);

        assert_eq!((summary["verdict"].as_str(), code), (Some("bounded"), 0), "{policy}: {summary}");
        assert_eq!(summary["lost"], 0, "{policy}: {summary}");
        assert_eq!(summary["damaged_at"], Value::Null, "{policy}: {summary}");
    }
}

#[test]
fn our_drop_discards_and_our_disconnect_disconnects() {
    let (drop, code) = own(&["drop"]);
    assert_eq!((drop["verdict"].as_str(), code), (Some("discards"), 0), "{drop}");

    let (disconnect, code) = own(&["disconnect"]);
    assert_eq!((disconnect["verdict"].as_str(), code), (Some("disconnects"), 0), "{disconnect}");
}

#[test]
fn the_expected_verdict_decides_the_exit_code() {
    let files = tempfile::tempdir().unwrap();
    let junit = files.path().join("audit.xml");
    let addr = server(drop);
    let options = ["audit", &addr, "--expect", "bounded", "--junit", junit.to_str().unwrap()];

    let output = echoctl(&options).output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("INCONCLUSIVE"), "{}", text(&output.stdout));
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("failures=\"1\"") && xml.contains("expected bounded, got inconclusive"), "{xml}");
    let expected = echoctl(&["audit", &addr, "--expect", "bounded,inconclusive"]).output().unwrap();
    assert_eq!(expected.status.code(), Some(0), "{}", text(&expected.stderr));
}

#[test]
fn a_record_matches_the_schema_and_can_be_drawn() {
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("audit.json");
    let record = path.to_str().unwrap();
    let addr = server(drop);

    let output = echoctl(&["audit", &addr, "--record", record]).output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let run: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(conforms(&run, &schema("run")), Ok(()));
    assert_eq!(run["summary"]["verdict"], "inconclusive");
    assert!(run["evidence"]["points"].as_array().is_some_and(|points| !points.is_empty()));
    let drawn = echoctl(&["report", record, "--plain"]).output().unwrap();
    assert_eq!(drawn.status.code(), Some(0), "{}", text(&drawn.stderr));
}

#[test]
fn a_command_that_fails_is_shown_with_its_last_output() {
    let cases = [
        (
            &["--", "sh", "-c", "echo no such config >&2; exit 3"][..],
            &["no such config", "exit status: 3"][..],
        ),
        (&["--ready-timeout", "300ms", "--", "sleep", "100"], &["did not listen on port", "printed nothing"]),
        (&["--", "/no/such/server"], &["cannot start '/no/such/server'"]),
    ];
    for (options, said) in cases {
        let output = echoctl(&[&["audit"], options].concat()).output().unwrap();

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{error}");
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn an_audit_that_could_not_start_is_an_error_in_junit() {
    let files = tempfile::tempdir().unwrap();
    let junit = files.path().join("audit.xml");

    let options =
        ["audit", "--junit", junit.to_str().unwrap(), "--", "sh", "-c", "echo '<no>\u{1b}' >&2; exit 3"];
    let output = echoctl(&options).output().unwrap();

    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let xml = std::fs::read_to_string(junit).unwrap();
    assert!(xml.contains("failures=\"0\" errors=\"1\"") && xml.contains("&lt;no&gt;"), "{xml}");
    assert!(!xml.contains(|c: char| c.is_control() && c != '\n'), "{xml:?}");
}

#[test]
fn an_address_without_a_listener_is_exit_4() {
    let (_held, addr) = closed_addr();

    let output = echoctl(&["audit", "--preset", "echo", &addr]).output().unwrap();

    assert_eq!(output.status.code(), Some(4));
    let error = text(&output.stderr);
    assert!(error.contains("cannot connect") && error.contains("hint: "), "{error}");
    assert_eq!(error.matches("connection refused").count(), 1, "{error}");
}

#[test]
fn invalid_options_are_refused_before_a_byte_is_sent() {
    for (options, said) in [
        (&["192.0.2.1:80"][..], "--allow-remote"),
        (&["ftp://localhost:21"], "unknown scheme: expected http, https, "),
        (&["--preset", "gopher"], "no such preset: expected echo, "),
        (&["--preset", "redis-get"], "redis-get needs a key: for example redis-get:mykey"),
        (&["--preset", "echo:/x"], "echo accepts no argument: use echo"),
        (
            &["--shape", "echo"],
            "unexpected argument '--shape' found\nhint: a similar argument exists: '--preset'",
        ),
        (&["--expect", "fine"], "no such verdict: expected bounded, "),
        (&["--request", "\\q"], "unknown escape '\\q'"),
    ] {
        let output = echoctl(&[&["audit"], options].concat()).output().unwrap();

        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
        assert!(error.contains(said), "{options:?}: {error}");
    }
}

#[test]
fn shown_scripts_are_read_back_and_match_the_schema() {
    let files = tempfile::tempdir().unwrap();
    for preset in [
        "echo",
        "u16",
        "http-pipeline",
        "sse:/a:b",
        "websocket-subscribe",
        "redis-get:k",
        "redis-subscribe:c",
    ] {
        let shown = echoctl(&["audit", "--preset", preset, "--show-script"]).output().unwrap();
        let path = files.path().join("script.toml");
        std::fs::write(&path, &shown.stdout).unwrap();

        let again =
            echoctl(&["audit", "--script", path.to_str().unwrap(), "--show-script"]).output().unwrap();

        assert_eq!(text(&again.stdout), text(&shown.stdout), "{preset}");
        let script: Value = toml::from_str(&text(&shown.stdout)).unwrap();
        assert_eq!(conforms(&script, &schema("script")), Ok(()), "{preset}");
    }
}

#[test]
fn a_script_or_a_request_may_come_from_a_pipe() {
    let addr = server(drop);
    let script = echoctl(&["audit", "--show-script"]).output().unwrap().stdout;
    for (option, file, content) in
        [("--script", "/dev/stdin", script), ("--request", "@/dev/stdin", b"x\n".to_vec())]
    {
        let output = echoctl(&["audit", &addr, option, file]).write_stdin(content).output().unwrap();

        assert_eq!(output.status.code(), Some(3), "{option}: {}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with("INCONCLUSIVE"), "{option}: {}", text(&output.stdout));
    }
}

#[test]
fn a_closed_stdout_does_not_change_the_exit_code() {
    for format in [&["--json"][..], &[]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let audit = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"))
            .args(["audit", "--bytes", "32MiB", "--rate", "32MiB"])
            .args(format)
            .args(["--", env!("CARGO_BIN_EXE_echoctl"), "serve", "--addr", "127.0.0.1:{port}"])
            .args(["--backpressure", "off"])
            .stdout(writer)
            .stderr(Stdio::null())
            .status();

        assert_eq!(audit.unwrap().code(), Some(1), "{format:?}");
    }
}

/// Perl that forks children that only sleep.
const MANY: &str = "for (1..400) { if (!fork) { sleep 1000; exit } }";

#[test]
fn a_server_of_many_processes_needs_no_higher_limit() {
    let serve = format!("exec {} serve --addr 127.0.0.1:$PORT", env!("CARGO_BIN_EXE_echoctl"));
    let command = format!("perl -e '{MANY} exec @ARGV' sh -c 'test $(ulimit -n) = 256 && {serve}'");
    let audit = format!(
        "ulimit -Sn 256; exec {} audit --bytes 1MiB --for 1s --json -- sh -c \"$0\"",
        env!("CARGO_BIN_EXE_echoctl")
    );

    let output = std::process::Command::new("sh").args(["-c", &audit, &command]).output().unwrap();

    let last = text(&output.stdout).lines().last().map(str::to_owned).unwrap_or_default();
    assert!(last.contains("verdict"), "{last}{}", text(&output.stderr));
}

#[test]
fn a_pid_that_is_not_running_is_exit_2() {
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let pid = ended.id().to_string();

    let output = echoctl(&["audit", &closed_addr().1, "--pid", &pid]).output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--pid: no process"), "{}", text(&output.stderr));
}

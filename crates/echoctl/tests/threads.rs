//! A thread that the system refuses is an error with words, in every command: never a panic, and never an abort.

#![cfg(target_os = "linux")] // its limits on processes and address space are what refuses them
#![allow(clippy::unwrap_used)] // the helpers of tests are tests, which clippy cannot see

mod peer;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use peer::text;
use tempfile::TempDir;

/// The program where every user may run it, which a build directory below a private home is not.
fn program_for_all() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("echoctl");
    // By another process: a child of the other test would inherit our open file, which then cannot be run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_echoctl")).arg(&program).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    (dir, program)
}

/// Runs `program` below a shell that has set a limit, with a line on standard input. One that hangs is ended by a signal.
fn run(limit: &str, program: &Path, arguments: &[&str], user: Option<u32>) -> Output {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{{ {limit}; }} 2>/dev/null && exec \"$0\" \"$@\"")])
        .arg(program)
        .args(arguments)
        .current_dir("/")
        .env_remove("ECHOCTL_ADDR");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut command = assert_cmd::Command::from_std(command);
    command.write_stdin("hello\n").timeout(Duration::from_secs(120)).output().unwrap()
}

#[test]
fn no_command_panics_where_no_thread_is_to_be_had() {
    let (_dir, program) = program_for_all();
    // The limit does not hold for root, but for a user without processes.
    let user = (fs::metadata("/proc/self").unwrap().uid() == 0).then_some(NO_USER);
    let addr = peer::server(peer::echo);
    let others = ["--allow-other-user"];
    let commands: [&[&str]; 11] = [
        &["serve", "--addr", "127.0.0.1:0", "--until-stdin-ends"],
        &["dns", "--addr", "127.0.0.1:0"],
        &["flood", &addr, "--for", "100ms", "--plain", others[0]],
        &["ping", &addr, "--count", "1", others[0]],
        &["ping", "no-such-name.invalid:1", "--count", "1", others[0]],
        &["send", &addr],
        &["audit", "--", "cat"],
        &["demo", "--yes", "--small", "--no-report"],
        &["doctor"],
        &["lesson", "stream", "--yes"],
        &["lesson", "unbounded", "--yes"],
    ];
    for command in commands {
        // bash has -u for the number of processes, dash -p.
        let output = run("ulimit -u 1 || ulimit -p 1", &program, command, user);

        let (told, code) = (text(&output.stderr), output.status.code());
        let is_told = told.contains("start a thread: ") || told.contains("start the runtime's threads: ");
        assert!(is_told, "{command:?}: {code:?} {told}");
        assert!(matches!(code, Some(1 | 3 | 4)), "{command:?}: {code:?} {told}");
        assert!(!told.contains("panicked"), "{command:?}: {told}");
        let says_it_once = told.lines().all(|line| line.matches("os error").count() <= 1);
        assert!(says_it_once, "{command:?}: {told}");
    }
}

#[test]
fn no_command_panics_with_little_address_space() {
    let program = Path::new(env!("CARGO_BIN_EXE_echoctl"));
    let addr = peer::server(peer::echo);
    // The kernel kills a program that does not even fit: a debug build has 16 MiB of code and data.
    let starts = |kibibytes: &u64| {
        run(&format!("ulimit -v {kibibytes}"), program, &["--version"], None).status.success()
    };
    let min = (16_000..100_000).step_by(1_000).find(starts).expect("the program starts within 100 MB");
    for kibibytes in (min..min + 48_000).step_by(6_000) {
        for command in [
            &["ping", &addr, "--count", "1", "--connections", "8"][..],
            &["flood", &addr, "--for", "50ms", "--plain"],
            &["send", &addr],
            &["lesson", "stream", "--yes"],
            &["lesson", "send-buffer", "--yes"],
        ] {
            let output = run(&format!("ulimit -v {kibibytes}"), program, command, None);

            let told = text(&output.stderr);
            assert!(!told.contains("panicked"), "{command:?} with {kibibytes} KiB: {told}");
            assert!(output.status.code().is_some(), "{command:?} with {kibibytes} KiB: {output:?}");
        }
    }
}

/// A user whom no system gives processes to run: the one below `nobody` of most.
const NO_USER: u32 = 65_533;

//! A thread that the system refuses is an error message in every command: never a panic, and never an abort.

#![cfg(target_os = "linux")] // its limits on processes and address space refuse threads

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use echoctl_testkit::echo;
use tempfile::TempDir;

use crate::peer::text;

/// A copy of the program that every user may run; a build directory below a private home would prevent that.
fn program_for_all() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("echoctl");
    // Copied by another process: a child of the other test would inherit an open file, which cannot be executed.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_echoctl")).arg(&program).status().unwrap();
    assert!(copied.success());
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    (dir, program)
}

/// Runs `program` below a shell that has set a limit, with a line on standard input. A hung program is stopped by a
/// signal.
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
fn no_command_panics_when_threads_are_refused() {
    let (_dir, program) = program_for_all();
    // The limit does not apply to root, but to a user without processes.
    let user = (fs::metadata("/proc/self").unwrap().uid() == 0).then_some(NO_USER);
    let addr = crate::peer::server(echo);
    let other = "--allow-other-user";
    let commands: [&[&str]; 11] = [
        &["serve", "--addr", "127.0.0.1:0", "--until-stdin-ends"],
        &["dns", "--addr", "127.0.0.1:0"],
        &["flood", &addr, "--for", "100ms", "--plain", other],
        &["ping", &addr, "--count", "1", other],
        &["ping", "no-such-name.invalid:1", "--count", "1", other],
        &["send", &addr],
        &["audit", "--", "cat"],
        &["demo", "--yes", "--small", "--no-report"],
        &["doctor"],
        &["lesson", "stream", "--yes"],
        &["lesson", "unbounded", "--yes"],
    ];
    for command in commands {
        // The limit on processes is -u in bash, and -p in dash.
        let output = run("ulimit -u 1 || ulimit -p 1", &program, command, user);

        let (stderr, code) = (text(&output.stderr), output.status.code());
        let is_reported =
            stderr.contains("start a thread: ") || stderr.contains("start the runtime's threads: ");
        assert!(is_reported, "{command:?}: {code:?} {stderr}");
        assert!(matches!(code, Some(1 | 3 | 4)), "{command:?}: {code:?} {stderr}");
        assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
        let is_printed_once = stderr.lines().all(|line| line.matches("os error").count() <= 1);
        assert!(is_printed_once, "{command:?}: {stderr}");
    }
}

#[test]
fn no_command_panics_with_little_address_space() {
    let program = Path::new(env!("CARGO_BIN_EXE_echoctl"));
    let addr = crate::peer::server(echo);
    // A program that does not fit is killed by the kernel, cannot load a library, or aborts. A debug build uses 400 KiB of stack to
    // define its command line: one that almost fits ends with a SIGSEGV, which the kernel logs. A release build uses less than
    // the 128 KiB that each program starts with.
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

            let stderr = text(&output.stderr);
            assert!(!stderr.contains("panicked"), "{command:?} with {kibibytes} KiB: {stderr}");
            assert!(output.status.code().is_some(), "{command:?} with {kibibytes} KiB: {output:?}");
        }
    }
}

/// A user without processes on any system: the one below `nobody` on most of them.
const NO_USER: u32 = 65_533;

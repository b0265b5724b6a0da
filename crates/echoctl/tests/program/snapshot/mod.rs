//! Snapshots: what the program prints, stored as plain files under `snapshots/` and compared by tests.

mod folder;
mod mask;
pub(crate) mod mistakes;
mod prose;

use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

pub(crate) use folder::Folder;
pub(crate) use mask::masked;
pub(crate) use prose::prose;

/// The program under test in a terminal of 80 columns, without the caller's settings.
pub(crate) fn echoctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    // Hints and examples name the program as it was called.
    command.arg0("echoctl").args(arguments).stdin(Stdio::null());
    for name in ["ECHOCTL_ADDR", "NO_COLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.env("COLUMNS", "80").env("TERM", "xterm");
    command
}

/// What a finished command printed and returned, as one text. The path of the program is masked.
pub(crate) fn transcript(line: &str, output: &Output, lay_out: impl Fn(&str) -> String) -> String {
    let mut text = format!("$ echoctl {line}\nexit {}\n", output.status.code().unwrap_or(-1));
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if !bytes.is_empty() {
            text.push_str(&format!("--- {name}\n{}", lay_out(&String::from_utf8_lossy(bytes))));
        }
    }
    text.replace(env!("CARGO_BIN_EXE_echoctl"), "echoctl")
}

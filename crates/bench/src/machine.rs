//! The machine and the versions, without which no figure can be interpreted.

use std::process::Command;
use std::time::SystemTime;

/// The machine, its kernel, and the compared programs and crates, as a Markdown list.
pub(crate) fn describe() -> String {
    let machine = echoctl_observe::machine();
    let memory = machine
        .memory
        .map_or(String::new(), |bytes| format!(", {:.0} GiB of memory", bytes as f64 / 1_073_741_824.0));
    let programs = ["rustc", "node", "iperf3", "valgrind"].map(|name| format!("{name} {}", version(name)));
    let crates =
        ["tokio", "tokio-util", "bytes", "monoio", "io-uring"].map(|name| format!("{name} {}", locked(name)));
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    format!(
        "- Machine: {}, {} of them, {}{memory}\n- Kernel: {} {}\n- Programs: {}\n- Crates: {}\n- Commit: {}\n- Date: {}\n",
        echoctl_observe::processor_model().unwrap_or_else(|| "unknown processor".to_owned()),
        machine.processors,
        machine.architecture,
        machine.system,
        machine.kernel.unwrap_or_default(),
        programs.join(", "),
        crates.join(", "),
        first_line("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned()),
        date.split('T').next().unwrap_or_default(),
    )
}

/// The first word with a digit and a dot that a program prints about its version.
fn version(name: &str) -> String {
    let line = first_line(name, &["--version"]).unwrap_or_default();
    let is_version = |word: &&str| word.contains(|c: char| c.is_ascii_digit()) && word.contains('.');
    let word = line.split_whitespace().find(is_version).unwrap_or("absent");
    word.trim_start_matches("valgrind-").trim_start_matches('v').to_owned()
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

/// The version of a crate that this benchmark was built with. Of several versions the newest, which is our own: older ones are those of
/// dependencies.
fn locked(name: &str) -> &'static str {
    let entry = LOCK.rsplit("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{name}\"\n")));
    entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next()).unwrap_or("unknown")
}

const LOCK: &str = include_str!("../../../Cargo.lock");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_the_peers_are_known() {
        for name in ["tokio", "tokio-util", "bytes", "monoio", "io-uring"] {
            assert!(locked(name).starts_with(|c: char| c.is_ascii_digit()), "{name} {}", locked(name));
        }
        assert_eq!(locked("no-such-crate"), "unknown");
    }
}

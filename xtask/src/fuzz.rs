//! `cargo xtask fuzz`: random input for each fuzz target in turn, until the time is over or one finds something.
//!
//! The targets stand in `fuzz/`, a workspace of its own, so that nobody who does not fuzz builds them. What they call is
//! also called by ordinary tests of the crate that it is from.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    ensure!(is_installed(), "cargo-fuzz is missing: run `cargo install cargo-fuzz`, then this again");
    for target in plan.targets {
        eprintln!("=== fuzz {target} for {} s", plan.time.as_secs());
        fuzz(target, plan.time).with_context(|| {
            format!("'{target}' found something: the input stands under fuzz/artifacts/{target}, see CONTRIBUTING.md")
        })?;
    }
    Ok(())
}

fn fuzz(target: &str, time: Duration) -> Result<()> {
    let seconds = format!("-max_total_time={}", time.as_secs());
    // What libFuzzer finds interesting goes to its first directory, the seeds are only read.
    let (found, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
    std::fs::create_dir_all(process::root().join(&found)).with_context(|| format!("cannot make {found}"))?;
    let mut command =
        process::cargo(&["fuzz", "run", target, &found, &seeds, "--", &seconds, "-print_final_stats=1"]);
    // The sanitizer is an unstable option of rustc, which this switch lets the stable toolchain take.
    process::run(command.env("RUSTC_BOOTSTRAP", "1"))
}

fn is_installed() -> bool {
    let mut version = process::cargo(&["fuzz", "--version"]);
    version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What is to be fuzzed, and how long each.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    targets: Vec<&'static str>,
    time: Duration,
}

impl Plan {
    fn parse(options: &[&str]) -> Result<Plan> {
        let mut plan = Plan { targets: Vec::new(), time: Duration::from_secs(60) };
        let mut rest = options.iter();
        while let Some(&option) = rest.next() {
            if option == "--for" {
                let time = rest.next().context("how long? `--for 60s`")?;
                plan.time =
                    seconds(time).with_context(|| format!("'{time}' is no time: write 60s, 5m or 1h"))?;
            } else if let Some(target) = TARGETS.iter().find(|&&target| target == option) {
                plan.targets.push(target);
            } else {
                bail!("no such target: '{option}'; there are {}", TARGETS.join(", "));
            }
        }
        if plan.targets.is_empty() {
            plan.targets = TARGETS.to_vec();
        }
        Ok(plan)
    }
}

/// Reads `60s`, `5m` or `1h`; more than 0.
fn seconds(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "s" => number,
        "m" => number.checked_mul(60)?,
        "h" => number.checked_mul(3600)?,
        _ => return None,
    };
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The targets, as `fuzz/Cargo.toml` names them.
const TARGETS: [&str; 12] = [
    "buffer",
    "framing_lines",
    "framing_u16",
    "framing_u32",
    "framing_raw",
    "sock_diag",
    "kernel_text",
    "record",
    "dns_query",
    "dns_reply",
    "script_toml",
    "script_json",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_run_for_a_minute_unless_told_otherwise() {
        let plan = Plan::parse(&[]).unwrap();

        assert_eq!(plan, Plan { targets: TARGETS.to_vec(), time: Duration::from_secs(60) });
    }

    #[test]
    fn targets_and_time_can_be_chosen() {
        let plan = Plan::parse(&["buffer", "--for", "5m"]).unwrap();

        assert_eq!(plan, Plan { targets: vec!["buffer"], time: Duration::from_secs(300) });
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for options in [&["bufer"][..], &["--for"], &["--for", "60"], &["--for", "0s"], &["--for", "1d"]] {
            assert!(Plan::parse(options).is_err(), "{options:?} was taken");
        }
    }

    #[test]
    fn the_targets_are_those_of_the_fuzz_workspace() {
        let manifest = std::fs::read_to_string(process::root().join("fuzz/Cargo.toml")).unwrap();
        let mut names: Vec<_> = manifest.lines().filter_map(|line| line.strip_prefix("name = ")).collect();

        assert_eq!(names.remove(0), "\"echoctl-fuzz\"");
        assert_eq!(names, TARGETS.map(|target| format!("\"{target}\"")));
    }
}

//! `cargo xtask fuzz`: runs each fuzz target in turn, for a given time or until one finds a failing input.
//!
//! The targets are in `fuzz/`, a separate workspace, so that other builds need not build them. Ordinary tests call the same
//! functions, in the crate that defines them.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

pub(crate) fn run(options: &[&str]) -> Result<()> {
    let plan = Plan::parse(options)?;
    ensure!(is_installed(), "cargo-fuzz is not installed\nhint: cargo install cargo-fuzz");
    for target in plan.targets {
        eprintln!("=== fuzz {target} for {} s", plan.time.as_secs());
        fuzz(target, plan.time).with_context(|| {
            format!("'{target}' found a failing input: see fuzz/artifacts/{target} and CONTRIBUTING.md")
        })?;
    }
    Ok(())
}

fn fuzz(target: &str, time: Duration) -> Result<()> {
    let seconds = format!("-max_total_time={}", time.as_secs());
    // libFuzzer writes new inputs to its first directory; it only reads the seeds.
    let (found, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
    std::fs::create_dir_all(process::root().join(&found))
        .with_context(|| format!("cannot create {found}"))?;
    let mut command =
        process::cargo(&["fuzz", "run", target, &found, &seeds, "--", &seconds, "-print_final_stats=1"]);
    // The sanitizer is an unstable option of rustc, which this variable enables on the stable toolchain.
    process::run(command.env("RUSTC_BOOTSTRAP", "1"))
}

fn is_installed() -> bool {
    let mut version = process::cargo(&["fuzz", "--version"]);
    version.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The targets to run, and for how long each.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    targets: Vec<&'static str>,
    time: Duration,
}

impl Plan {
    fn parse(options: &[&str]) -> Result<Plan> {
        let all = targets();
        let mut plan = Plan { targets: Vec::new(), time: Duration::from_secs(60) };
        let mut rest = options.iter();
        while let Some(&option) = rest.next() {
            if option == "--for" {
                let time = rest.next().context("--for: time missing, as in `--for 60s`")?;
                plan.time = seconds(time)
                    .with_context(|| format!("invalid time '{time}': expected 60s, 5m or 1h"))?;
            } else if let Some(target) = all.iter().find(|&&target| target == option) {
                plan.targets.push(target);
            } else {
                bail!("unknown target '{option}': expected {}", all.join(", "));
            }
        }
        if plan.targets.is_empty() {
            plan.targets = all;
        }
        Ok(plan)
    }
}

/// Parses `60s`, `5m` or `1h`; more than 0.
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

/// The targets in the manifest of the fuzz workspace: the names below its own.
fn targets() -> Vec<&'static str> {
    let names = include_str!("../../fuzz/Cargo.toml").lines().filter_map(|line| line.strip_prefix("name = "));
    names.skip(1).map(|name| name.trim_matches('"')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_run_for_a_minute_by_default() {
        let plan = Plan::parse(&[]).unwrap();

        assert!(plan.targets.starts_with(&["buffer"]) && plan.targets.contains(&"record"), "{plan:?}");
        assert_eq!(plan.time, Duration::from_secs(60));
    }

    #[test]
    fn targets_and_time_can_be_chosen() {
        let plan = Plan::parse(&["buffer", "--for", "5m"]).unwrap();

        assert_eq!(plan, Plan { targets: vec!["buffer"], time: Duration::from_secs(300) });
    }

    #[test]
    fn invalid_options_are_refused() {
        for options in [&["buff"][..], &["--for"], &["--for", "60"], &["--for", "0s"], &["--for", "1d"]] {
            assert!(Plan::parse(options).is_err(), "{options:?} was accepted");
        }
    }
}

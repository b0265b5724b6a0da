//! The options of `cargo xtask faults`: which cases, on which program, on how busy a machine.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::KINDS;
use super::case::Case;

/// The options of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) bin: Option<PathBuf>,
    pub(super) is_short: bool,
    pub(super) is_busy: bool,
    pub(super) is_list: bool,
    names: Vec<String>,
}

impl Plan {
    pub(super) fn parse(options: &[&str]) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut rest = options.iter();
        while let Some(&option) = rest.next() {
            match option {
                "--short" => plan.is_short = true,
                "--busy" => plan.is_busy = true,
                "--list" => plan.is_list = true,
                "--bin" => plan.bin = Some(rest.next().context("--bin: PATH missing")?.into()),
                name if name.starts_with('-') => {
                    bail!("unknown option '{name}': expected --short, --busy, --list or --bin PATH")
                }
                name => plan.names.push(name.to_owned()),
            }
        }
        ensure!(plan.cases().next().is_some(), "no case matches {}", plan.names.join(", "));
        Ok(plan)
    }

    /// The selected cases, each with its kind: those whose name, as in `harm/successor`, contains one of the names.
    pub(super) fn cases(&self) -> impl Iterator<Item = (&'static str, &'static Case)> {
        let all = KINDS.iter().flat_map(|(kind, cases)| cases.iter().map(move |case| (*kind, case)));
        all.filter(|(kind, case)| {
            let full = format!("{kind}/{}", case.name);
            let is_named = self.names.is_empty() || self.names.iter().any(|name| full.contains(name));
            is_named && (case.in_short || !self.is_short)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_cases_in_the_short_run_too() {
        for options in [&[][..], &["--short"]] {
            let kinds: BTreeSet<_> = Plan::parse(options).unwrap().cases().map(|(kind, _)| kind).collect();

            assert_eq!(kinds.len(), KINDS.len(), "{options:?}");
        }
    }

    #[test]
    fn cases_are_chosen_by_a_part_of_their_name() {
        let plan = Plan::parse(&["harm/"]).unwrap();

        assert!(plan.cases().all(|(kind, _)| kind == "harm"));
        assert!(Plan::parse(&["no-such-case"]).is_err());
        assert!(Plan::parse(&["--fast"]).is_err() && Plan::parse(&["--bin"]).is_err());
    }

    #[test]
    fn no_two_cases_share_a_name() {
        let mut seen = BTreeSet::new();

        for (kind, case) in Plan::default().cases() {
            assert!(seen.insert((kind, case.name)), "{kind}/{} is there twice", case.name);
        }
    }
}

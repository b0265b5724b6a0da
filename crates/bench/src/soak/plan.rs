//! The options of a soak.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::load::Framing;

/// What to soak, with which peers, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// Duration of the ten crowds together, without the pauses between them.
    pub(super) time: Duration,
    /// Peers in a crowd.
    pub(super) peers: usize,
    /// The seed of every peer's choices. Their timing relative to the server's depends on the machine.
    pub(super) seed: u64,
    /// Soaked one after another, each for the whole time.
    pub(super) policies: Vec<String>,
    /// The framing of the server and of what is sent.
    pub(super) framing: Framing,
    /// Additional options for `echoctl serve`.
    pub(super) serve: Vec<String>,
    /// Whether to soak all policies, I/O modes and commands at once.
    pub(super) is_everything: bool,
    /// The directory of `echoctl`; `None`: that of this program.
    pub(super) folder: Option<PathBuf>,
}

impl Plan {
    /// # Errors
    /// When an option is unknown, or its value is invalid.
    pub(super) fn parse(words: &[&str]) -> Result<Plan> {
        let mut plan = Plan {
            time: Duration::from_secs(30 * 60),
            peers: 1000,
            seed: 7,
            policies: vec!["await".to_owned()],
            framing: Framing::Lines,
            serve: Vec::new(),
            is_everything: false,
            folder: None,
        };
        let mut words = words.iter();
        while let Some(&option) = words.next() {
            if option == "--" {
                plan.serve = words.map(|&word| word.to_owned()).collect();
                break;
            }
            if option == "--everything" {
                plan.is_everything = true;
                continue;
            }
            let value = words.next().with_context(|| format!("{option}: no value\n\n{USAGE}"))?;
            plan.set(option, value).with_context(|| format!("{option} {value}"))?;
        }
        let has_own_servers =
            plan.policies == ["await"] && plan.framing == Framing::Lines && plan.serve.is_empty();
        ensure!(
            has_own_servers || !plan.is_everything,
            "--everything: not supported with --policies, --framing or options of serve: it has servers of all kinds"
        );
        Ok(plan)
    }

    /// The longest time that a peer does nothing: long enough for idle timeouts of a server, and short enough
    /// for a life to end within a crowd.
    pub(super) fn longest_pause(&self) -> Duration {
        (self.time / TENTHS / 4).min(Duration::from_secs(10))
    }

    /// The options of `echoctl serve`. Its sockets have small buffers, unless the options set them: with the kernel's own
    /// buffers, megabytes each, no flood that a thousand peers can afford would reach the server's own limits.
    pub(super) fn options<'a>(&'a self, policy: &'a str) -> Vec<&'a str> {
        let mut options = vec!["--backpressure", policy, "--framing", self.framing.name()];
        for option in ["--sndbuf", "--rcvbuf"] {
            if !self.serve.iter().any(|given| given.starts_with(option)) {
                options.extend([option, KERNEL_BUFFER]);
            }
        }
        options.extend(self.serve.iter().map(String::as_str));
        options
    }

    fn set(&mut self, option: &str, value: &str) -> Result<()> {
        match option {
            "--minutes" => {
                let seconds = 60.0 * value.parse::<f64>()?;
                self.time = Duration::try_from_secs_f64(seconds)?;
                ensure!(
                    self.time >= SHORTEST,
                    "expected at least 0.05: a tenth of less is too short for a crowd"
                );
            }
            "--peers" => {
                self.peers = value.parse()?;
                ensure!((1..=MOST_PEERS).contains(&self.peers), "1 to {MOST_PEERS}");
            }
            "--seed" => self.seed = value.parse()?,
            "--policy" | "--policies" => {
                self.policies = value.split(',').map(str::to_owned).collect();
                for policy in &self.policies {
                    ensure!(POLICIES.contains(&policy.as_str()), "expected one of {}", POLICIES.join(", "));
                }
            }
            "--framing" => self.framing = value.parse()?,
            "--folder" => self.folder = Some(value.into()),
            _ => bail!("unknown option\n\n{USAGE}"),
        }
        Ok(())
    }
}

/// Number of crowds, without the first one, which warms the server up.
pub(super) const TENTHS: u32 = 10;

/// The peers' own sockets have the same.
const KERNEL_BUFFER: &str = "64KiB";

const SHORTEST: Duration = Duration::from_secs(3);

/// Each needs a file descriptor and a local port here.
const MOST_PEERS: usize = 15_000;

/// All but `drop`, with which some bytes do not come back, and which has its own tests.
const POLICIES: [&str; 6] = ["await", "off", "bounded", "watermark", "disconnect", "budget"];

pub(super) const USAGE: &str = "cargo xtask soak [--minutes 30] [--peers 1000] [--seed 7] [--everything] [--policies await,…] \
                                [--framing lines|u16|u32|raw] [--folder DIRECTORY_OF_ECHOCTL] [-- OPTIONS_OF_SERVE]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_those_of_serve_are_passed_on() {
        let words = ["--minutes", "0.5", "--policies", "bounded,budget", "--", "--rcvbuf", "1MiB"];

        let plan = Plan::parse(&words).unwrap();

        assert_eq!(plan.time, Duration::from_secs(30));
        assert_eq!(plan.policies, ["bounded", "budget"]);
        assert_eq!(
            plan.options("budget"),
            ["--backpressure", "budget", "--framing", "lines", "--sndbuf", "64KiB", "--rcvbuf", "1MiB"]
        );
    }

    #[test]
    fn invalid_options_are_refused() {
        for words in [
            ["--minutes", "0"],
            ["--minutes", "-1"],
            ["--peers", "0"],
            ["--policies", "await,drop"],
            ["--framing", "u8"],
            ["--hours", "1"],
        ] {
            assert!(Plan::parse(&words).is_err(), "{words:?}");
        }
        assert!(Plan::parse(&["--seed"]).is_err());
        assert!(Plan::parse(&["--everything", "--policies", "off"]).is_err());
        assert!(Plan::parse(&["--everything", "--", "--io", "uring"]).is_err());
    }

    #[test]
    fn everything_has_a_time_peers_and_a_seed() {
        let plan = Plan::parse(&["--everything", "--minutes", "1", "--peers", "50", "--seed", "3"]).unwrap();

        assert!(plan.is_everything);
        assert_eq!((plan.time, plan.peers, plan.seed), (Duration::from_secs(60), 50, 3));
    }
}

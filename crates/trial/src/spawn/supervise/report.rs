//! Reports from a supervisor to the process that started it, one line of text each.

use std::fmt;

/// One line from a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The command is running, with this pid.
    Started(u32),
    /// The command could not be started: the error number of the system, or 0 if there is none.
    Failed {
        /// An `errno` value.
        code: i32,
    },
    /// The command has exited. Processes that it started may still be running.
    Ended(Ending),
    /// These are still running although they were killed.
    Left(String),
    /// Everything has exited, or was given up. This is the last line.
    Over,
}

/// How the command exited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Whether it succeeded.
    pub(crate) success: bool,
    /// How, e.g. `exit status: 1`.
    pub(crate) how: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::Started(pid) => writeln!(f, "started {pid}"),
            Report::Failed { code } => writeln!(f, "failed {code}"),
            Report::Ended(Ending { success, how }) => writeln!(f, "ended {success} {how}"),
            Report::Left(names) => writeln!(f, "left {}", names.replace('\n', " ")),
            Report::Over => writeln!(f, "over "),
        }
    }
}

impl Report {
    /// Parses a line as it was written; `None` for any other.
    pub(crate) fn parse(line: &str) -> Option<Report> {
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "started" => Report::Started(rest.parse().ok()?),
            "failed" => Report::Failed { code: rest.parse().ok()? },
            "ended" => {
                let (success, how) = rest.split_once(' ')?;
                Report::Ended(Ending { success: success.parse().ok()?, how: how.to_owned() })
            }
            "left" => Report::Left(rest.to_owned()),
            "over" => Report::Over,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_back_as_it_was_written() {
        for report in [
            Report::Started(7),
            Report::Failed { code: 2 },
            Report::Ended(Ending { success: false, how: "signal: 9 (SIGKILL)".to_owned() }),
            Report::Left("sudo (pid 7)".to_owned()),
            Report::Over,
        ] {
            let line = report.to_string();

            assert_eq!(Report::parse(line.trim_end_matches('\n')), Some(report));
        }
    }

    #[test]
    fn other_lines_are_ignored() {
        for line in ["", "over", "started x", "ended maybe so", "running 1 test"] {
            assert_eq!(Report::parse(line), None, "{line}");
        }
    }
}

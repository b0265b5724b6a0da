//! Reports from a supervisor to the process that started it, one line of JSON each.

use serde::{Deserialize, Serialize};

/// One line from a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Whether it succeeded.
    pub(crate) success: bool,
    /// How, e.g. `exit status: 1`.
    pub(crate) how: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_and_is_read_back_as_it_was_written() {
        for report in [
            Report::Started(7),
            Report::Failed { code: 2 },
            Report::Ended(Ending { success: false, how: "signal: 9 (SIGKILL)".to_owned() }),
            Report::Left("su\ndo (pid 7)".to_owned()),
            Report::Over,
        ] {
            let line = serde_json::to_string(&report).unwrap();

            assert!(!line.contains('\n'), "{line}");
            assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
        }
    }

    #[test]
    fn other_lines_are_no_reports() {
        for line in ["", "over", "started x", "{\"ended\": true}", "running 1 test"] {
            assert!(serde_json::from_str::<Report>(line).is_err(), "{line}");
        }
    }
}

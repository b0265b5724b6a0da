//! The tape: what is typed, and what is waited for. Its commands are some of VHS's (<https://github.com/charmbracelet/vhs>).

use std::time::Duration;

use anyhow::{Context, Result, anyhow};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Type(String),
    Enter,
    Sleep(Duration),
    /// Until the screen contains this text.
    Wait {
        text: String,
        within: Duration,
    },
    ScrollUp(i32),
    ScrollDown(i32),
}

/// The steps of a tape, one per line; `#` begins a comment.
pub(super) fn parse(tape: &str) -> Result<Vec<Step>> {
    let lines = (1..).zip(tape.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| step(line.trim()).with_context(|| format!("line {number}: '{line}'")))
        .collect()
}

fn step(line: &str) -> Result<Step> {
    let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "Type" => Ok(Step::Type(between(argument, '"')?)),
        "Enter" => Ok(Step::Enter),
        "Sleep" => Ok(Step::Sleep(duration(argument)?)),
        "ScrollUp" => Ok(Step::ScrollUp(argument.parse()?)),
        "ScrollDown" => Ok(Step::ScrollDown(argument.parse()?)),
        _ => {
            let within = command
                .strip_prefix("Wait+Screen@")
                .ok_or_else(|| anyhow!("unknown command: expected {COMMANDS}"))?;
            Ok(Step::Wait { text: between(argument, '/')?, within: duration(within)? })
        }
    }
}

/// What stands between two `mark`s.
fn between(argument: &str, mark: char) -> Result<String> {
    let inside = argument.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    inside.map(str::to_owned).ok_or_else(|| anyhow!("expected a text between {mark} and {mark}"))
}

fn duration(text: &str) -> Result<Duration> {
    let parsed = match text.strip_suffix("ms") {
        Some(number) => number.parse().map(Duration::from_millis),
        None => text.strip_suffix('s').unwrap_or(text).parse().map(Duration::from_secs),
    };
    parsed.with_context(|| format!("'{text}' is not a duration such as 500ms or 3s"))
}

const COMMANDS: &str = "Type, Enter, Sleep, Wait+Screen@TIME, ScrollUp, ScrollDown";
/// How long the shell may need for its prompt.
pub(super) const PROMPT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_read_line_by_line() {
        let steps =
            parse("# a comment\nType \"ls /\"\nEnter\n\nWait+Screen@2s /done/\nSleep 500ms\nScrollUp 3\n")
                .unwrap();

        assert_eq!(
            steps,
            [
                Step::Type("ls /".to_owned()),
                Step::Enter,
                Step::Wait { text: "done".to_owned(), within: Duration::from_secs(2) },
                Step::Sleep(Duration::from_millis(500)),
                Step::ScrollUp(3),
            ]
        );
    }

    #[test]
    fn an_unknown_command_is_an_error_with_its_line() {
        let error = parse("Enter\nPress x\n").unwrap_err();

        assert_eq!(
            format!("{error:#}").split(" expected").next(),
            Some("line 2: 'Press x': unknown command:")
        );
    }
}

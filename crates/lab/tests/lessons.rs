//! Promise: every lesson shows what it claims on this machine, and its check fails when the phenomenon is prevented.
//!
//! Lessons that start child processes need the program, so the tests of `echoctl` run them.

use std::path::PathBuf;

use echoctl_lab::kit::{Finding, LessonError, Setting};
use echoctl_lab::lessons;

/// Runs a lesson; `None` if this system cannot show it.
fn run(name: &str, sabotage: bool) -> Option<Finding> {
    let lesson = lessons::find(name).expect("the lesson exists");
    let setting = Setting { sabotage, seed: 1, program: PathBuf::new() };
    match lesson.measure(&setting) {
        Ok(finding) => Some(finding),
        Err(LessonError::NotVisible(what)) => {
            eprintln!("lesson {name}: {what}");
            None
        }
        Err(error) => panic!("lesson {name}: {error}"),
    }
}

fn holds(name: &str) {
    let Some(finding) = run(name, false) else { return };
    assert!(finding.holds(), "{name}: {:#?}", finding.claims);
    assert!(finding.measured.is_some(), "{name}: none of the choices was measured");
}

fn fails_when_sabotaged(name: &str) {
    let Some(finding) = run(name, true) else { return };
    assert!(!finding.holds(), "{name} claims something that did not happen: {:#?}", finding.claims);
}

macro_rules! lessons {
    ($($module:ident: $name:literal),* $(,)?) => {
        /// The lessons that are run here.
        const RUN_HERE: &[&str] = &[$($name),*];

        $(
            mod $module {
                #[test]
                fn shows_what_it_claims() {
                    super::holds($name);
                }

                #[test]
                fn fails_when_the_phenomenon_is_prevented() {
                    super::fails_when_sabotaged($name);
                }
            }
        )*
    };
}

lessons! {
    stream: "stream",
    framing: "framing",
    dns: "dns",
    handshake: "handshake",
    duplex: "duplex",
    half_close: "half-close",
    write: "write",
    flow_control: "flow-control",
    send_buffer: "send-buffer",
    pause: "pause",
    race: "race",
    buffer: "buffer",
    isolation: "isolation",
    timeouts: "timeouts",
}

#[test]
fn no_claim_of_isolation_holds_without_a_stalled_client() {
    let Some(finding) = run("isolation", true) else { return };
    assert!(finding.claims.iter().all(|claim| !claim.holds), "{:#?}", finding.claims);
}

/// The lessons that need the program.
const RUN_WITH_PROGRAM: [&str; 4] = ["sockets", "backpressure", "unbounded", "http2"];

#[test]
fn every_lesson_is_run() {
    let run = [RUN_HERE, &RUN_WITH_PROGRAM].concat();
    for lesson in lessons::ALL {
        assert_eq!(run.iter().filter(|name| **name == lesson.name).count(), 1, "{}", lesson.name);
    }
    assert_eq!(run.len(), lessons::ALL.len());
}

#[test]
fn every_lesson_can_be_read_on_a_narrow_terminal() {
    for lesson in lessons::ALL {
        assert!(lesson.idea.chars().count() <= 65, "{}: the idea does not fit beside the name", lesson.name);
        assert!(lesson.question.text.ends_with('?'), "{}: has no question", lesson.name);
        assert!((2..=5).contains(&lesson.question.choices.len()));
        assert!(lesson.code.excerpt().contains("fn "), "{}: has no code", lesson.name);
        assert!(lesson.next.iter().any(|(command, _)| command.contains("echoctl ")));
    }
}

#[test]
fn the_program_is_named_only_where_it_is_called() {
    // Its name is replaced by the path with which it was called, which no other command understands.
    for (lesson, (command, _)) in
        lessons::ALL.iter().flat_map(|one| one.next.iter().map(move |next| (one, next)))
    {
        for (at, _) in command.match_indices("echoctl") {
            let before = &command[..at];
            let is_call = before.is_empty()
                || before.ends_with(['(', '^'])
                || before.ends_with("| ")
                || before.ends_with("; ");
            assert!(is_call, "{}: {command}", lesson.name);
        }
    }
}

#[test]
fn names_are_unique_and_found() {
    for lesson in lessons::ALL {
        assert_eq!(lessons::find(lesson.name).map(|found| found.idea), Some(lesson.idea));
    }
    assert!(lessons::find("nonsense").is_none());
}

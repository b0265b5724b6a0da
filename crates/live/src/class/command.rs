//! Commands of a teacher on their way to the server of the class.

use std::fmt;
use std::time::Duration;

use echoctl_record::{ClassCommand, LessonChoice, NewQuestion};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::questions::Questions;

/// A command, and where its outcome is expected. [`ClassCommand::Ask`], `CloseVote`, `Answer` and `Dismiss` never arrive: the page
/// does them itself.
#[derive(Debug)]
pub struct CommandRequest {
    /// The command.
    pub command: ClassCommand,
    /// Whether it was done.
    pub reply: oneshot::Sender<Result<(), Refusal>>,
}

/// Why a command was not done: a sentence for the teacher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// For this reason.
    pub fn new(why: impl Into<String>) -> Refusal {
        Refusal(why.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does a command, or has it done.
pub(super) async fn perform(
    command: ClassCommand,
    questions: &Questions,
    lessons: &[LessonChoice],
    commands: &mpsc::Sender<CommandRequest>,
) -> Result<(), Refusal> {
    match command {
        ClassCommand::Ask(new) => {
            check_lesson(&new, lessons)?;
            questions.ask(new)
        }
        ClassCommand::CloseVote => questions.close(),
        ClassCommand::Answer { choice, measured } => questions.answer_by_teacher(choice, &measured),
        ClassCommand::Dismiss => {
            questions.dismiss();
            Ok(())
        }
        ClassCommand::SetWriteTimeout { seconds: Some(seconds) } if !WRITE_TIMEOUTS.contains(&seconds) => {
            Err(Refusal::new("a write timeout is between 0.1 s and one day"))
        }
        ClassCommand::SetMemoryLimit { bytes } if bytes < LEAST_MEMORY_LIMIT => {
            Err(Refusal::new("the memory limit must be at least 1 MiB"))
        }
        command => forward(command, commands).await,
    }
}

/// A lesson measures which of its own choices is right.
fn check_lesson(new: &NewQuestion, lessons: &[LessonChoice]) -> Result<(), Refusal> {
    let Some(name) = &new.lesson else { return Ok(()) };
    match lessons.iter().find(|lesson| lesson.name == *name) {
        None => Err(Refusal::new("no such lesson")),
        Some(lesson) if lesson.choices != new.choices => {
            Err(Refusal::new("the choices must be those of the lesson, which measures which one is right"))
        }
        Some(_) => Ok(()),
    }
}

async fn forward(command: ClassCommand, commands: &mpsc::Sender<CommandRequest>) -> Result<(), Refusal> {
    let (reply, outcome) = oneshot::channel();
    let request = CommandRequest { command, reply };
    let done = async {
        commands.send(request).await.map_err(|_| Refusal::new("nothing can be switched here"))?;
        // Dropped without an outcome.
        outcome.await.unwrap_or_else(|_| Err(Refusal::new("the class has ended")))
    };
    timeout(OUTCOME_LIMIT, done).await.unwrap_or_else(|_| Err(Refusal::new("the server does not answer")))
}

/// Seconds for which a server may wait for a client.
const WRITE_TIMEOUTS: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

/// Bytes. With less, a server resets every client that sends: a teacher who types `1` means another unit.
const LEAST_MEMORY_LIMIT: u64 = 1 << 20;

/// Longer than a sample of a server with 1,000 connections takes, shorter than a teacher waits.
const OUTCOME_LIMIT: Duration = Duration::from_secs(5);

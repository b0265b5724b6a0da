//! Runs the lesson of a question, and answers the question with what it measured.
//!
//! A lesson runs as a process of its own: its memory is not the server's, which the page shows, and it ends with the class.

use std::process::Stdio;

use anyhow::{Context, anyhow};
use echoctl_lab::lessons;
use echoctl_live::{Questions, Refusal};
use echoctl_record::{LessonChoice, Question};
use serde::Deserialize;
use tokio::process::Command;

/// What `echoctl lesson --json` prints, as far as it answers the question.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Measured {
    measured: Option<char>,
    claims: Vec<Claim>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Claim {
    claim: String,
    measured: String,
}

/// The lessons whose questions may be asked.
pub(super) fn choices() -> Vec<LessonChoice> {
    let choice = |lesson: &echoctl_lab::kit::Lesson| LessonChoice {
        name: lesson.name.to_owned(),
        title: lesson.idea.to_owned(),
        text: lesson.question.text.to_owned(),
        choices: lesson.question.choices.iter().map(|choice| (*choice).to_owned()).collect(),
    };
    // What a lesson shows before its question has no place on the page.
    lessons::ALL.iter().filter(|lesson| lesson.before.is_none()).map(choice).collect()
}

/// Closes the vote, and runs the experiment. Its answer is shown when it is known.
///
/// # Errors
/// If no question is shown that has an experiment, or it has begun.
pub(super) fn start(questions: &Questions) -> Result<(), Refusal> {
    let question = questions.begin_run()?;
    let questions = questions.clone();
    tokio::spawn(async move {
        let (choice, text) = match measure(&question).await {
            Ok(measured) => answer(&measured),
            Err(error) => (None, format!("it could not be measured: {error:#}")),
        };
        // The teacher may ask something else by now.
        let _ = questions.answer(question.id, choice, &text);
    });
    Ok(())
}

async fn measure(question: &Question) -> anyhow::Result<Measured> {
    let lesson = question.lesson.as_deref().and_then(lessons::find).context("it has no experiment")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["lesson", lesson.name, "--json", "--yes"]).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.context("cannot start the lesson")?;
    let line = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty());
    let measured = line.and_then(|line| serde_json::from_slice(line).ok());
    measured.ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow!(
            "{}",
            said.lines().next().unwrap_or("the lesson printed nothing").trim_start_matches("error: ")
        )
    })
}

/// The choice that was measured, and the claim that decides the question: the first.
fn answer(measured: &Measured) -> (Option<usize>, String) {
    let choice = measured.measured.and_then(|letter| ('a'..='z').position(|known| known == letter));
    let text = measured.claims.first().map(|claim| format!("{} ({})", claim.measured, claim.claim));
    (choice, text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_fits_the_page() {
        for lesson in choices() {
            let longest = lesson.choices.iter().map(|choice| choice.chars().count()).max();

            assert!(lesson.text.chars().count() <= 500, "{}: {}", lesson.name, lesson.text);
            assert!((2..=8).contains(&lesson.choices.len()) && longest <= Some(200), "{}", lesson.name);
        }
    }

    #[test]
    fn the_first_claim_is_the_answer() {
        let claim =
            |claim: &str, measured: &str| Claim { claim: claim.to_owned(), measured: measured.to_owned() };
        let claims =
            vec![claim("fast writes arrive in fewer reads", "1 read for 100 writes"), claim("x", "y")];

        let (choice, text) = answer(&Measured { measured: Some('b'), claims });

        assert_eq!(choice, Some(1));
        assert_eq!(text, "1 read for 100 writes (fast writes arrive in fewer reads)");
        assert_eq!(answer(&Measured { measured: None, claims: Vec::new() }), (None, String::new()));
    }
}

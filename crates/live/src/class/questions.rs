//! The question of the class, and its votes.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echoctl_record::{NewQuestion, Question, QuestionState, printable};
use serde::Deserialize;
use tokio::sync::Notify;

use super::command::Refusal;
use super::voters::Voters;

/// The question that is shown, for the page and for those who run its experiment.
#[derive(Debug, Clone, Default)]
pub struct Questions(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    voters: Voters,
    change: Notify,
}

#[derive(Debug, Default)]
struct Desk {
    question: Option<Question>,
    /// Choice and address of each voter.
    ballots: HashMap<String, (usize, IpAddr)>,
    /// Number of questions so far.
    asked: u64,
}

/// A vote, as a page sends it.
#[derive(Debug, Deserialize)]
pub(super) struct Vote {
    voter: String,
    question: u64,
    choice: usize,
}

impl Questions {
    /// The question that is shown.
    pub fn current(&self) -> Option<Question> {
        self.desk().question.clone()
    }

    /// Closes the vote because its experiment begins, and returns the question.
    ///
    /// # Errors
    /// If no question is shown, it has no experiment, or its experiment has begun.
    pub fn begin_run(&self) -> Result<Question, Refusal> {
        self.change(|question| match question.state {
            _ if question.lesson.is_none() => Err(Refusal::new("the question has no experiment")),
            QuestionState::Running => Err(Refusal::new("the experiment is running")),
            QuestionState::Answered => Err(Refusal::new("the question is answered")),
            QuestionState::Open | QuestionState::Closed => {
                question.state = QuestionState::Running;
                Ok(question.clone())
            }
        })
    }

    /// Shows the answer to the question with this id.
    ///
    /// # Errors
    /// If it is not shown any more, or has no such choice.
    pub fn answer(&self, id: u64, choice: Option<usize>, measured: &str) -> Result<(), Refusal> {
        self.change(|question| {
            if question.id != id {
                return Err(Refusal::new("another question is shown"));
            }
            if choice.is_some_and(|choice| choice >= question.choices.len()) {
                return Err(Refusal::new("the question has no such choice"));
            }
            question.state = QuestionState::Answered;
            question.answer = choice;
            let measured: String = printable(measured.trim()).chars().take(MAX_TEXT).collect();
            question.measured = Some(measured).filter(|measured| !measured.is_empty());
            Ok(())
        })
    }

    /// Asks in place of what was asked before.
    pub(super) fn ask(&self, new: NewQuestion) -> Result<(), Refusal> {
        let text = shown(&new.text, MAX_TEXT)?;
        let choices =
            new.choices.iter().map(|choice| shown(choice, MAX_CHOICE)).collect::<Result<Vec<_>, _>>()?;
        if !(2..=MAX_CHOICES).contains(&choices.len()) {
            return Err(Refusal::new(format!("a question has 2 to {MAX_CHOICES} choices")));
        }
        let mut desk = self.desk();
        desk.asked += 1;
        let (id, votes) = (desk.asked, vec![0; choices.len()]);
        desk.question =
            Some(Question { id, text, choices, votes, lesson: new.lesson, ..Question::default() });
        desk.ballots.clear();
        self.0.voters.forget_votes();
        self.0.change.notify_one();
        Ok(())
    }

    /// Counts no more votes.
    pub(super) fn close(&self) -> Result<(), Refusal> {
        self.change(|question| match question.state {
            QuestionState::Open => {
                question.state = QuestionState::Closed;
                Ok(())
            }
            _ => Err(Refusal::new("the vote is closed")),
        })
    }

    /// Shows the teacher's answer.
    pub(super) fn answer_by_teacher(&self, choice: Option<usize>, measured: &str) -> Result<(), Refusal> {
        match self.current() {
            None => Err(Refusal::new(NO_QUESTION)),
            Some(question) if question.state == QuestionState::Running => {
                Err(Refusal::new("the experiment is running"))
            }
            Some(question) => self.answer(question.id, choice, measured),
        }
    }

    /// Shows no question.
    pub(super) fn dismiss(&self) {
        self.desk().question = None;
        self.0.change.notify_one();
    }

    /// Counts a vote, in place of an earlier one of the same voter.
    pub(super) fn vote(&self, vote: Vote) -> Result<(), Refusal> {
        let mut desk = self.desk();
        let Desk { question, ballots, .. } = &mut *desk;
        let question = question.as_mut().filter(|question| question.id == vote.question);
        let question = question.ok_or_else(|| Refusal::new("this question is not asked any more"))?;
        if question.state != QuestionState::Open {
            return Err(Refusal::new("the vote is closed"));
        }
        if vote.choice >= question.choices.len() {
            return Err(Refusal::new("the question has no such choice"));
        }
        let site = self.0.voters.vote(&vote.voter).ok_or_else(|| Refusal::new("reload the page to vote"))?;
        ballots.insert(vote.voter, (vote.choice, site));
        question.votes.fill(0);
        for &(choice, _) in ballots.values() {
            question.votes[choice] += 1;
        }
        let sites: HashSet<IpAddr> = ballots.values().map(|&(_, site)| site).collect();
        question.addresses = u32::try_from(sites.len()).unwrap_or(u32::MAX);
        self.0.change.notify_one();
        Ok(())
    }

    pub(super) fn voters(&self) -> &Voters {
        &self.0.voters
    }

    /// Waits for a change since the last wait. For one caller.
    pub(super) async fn changed(&self) {
        self.0.change.notified().await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Question) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let changed = change(self.desk().question.as_mut().ok_or_else(|| Refusal::new(NO_QUESTION))?)?;
        self.0.change.notify_one();
        Ok(changed)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing panics while it is locked.
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text of a teacher as it is shown.
fn shown(text: &str, limit: usize) -> Result<String, Refusal> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Refusal::new("a question and its choices have a text")),
        length if length > limit => Err(Refusal::new(format!("a text exceeds {limit} characters"))),
        _ => Ok(printable(text).into_owned()),
    }
}

const NO_QUESTION: &str = "no question is asked";

/// Characters of a question: legible on a projector, and more than any lesson asks.
const MAX_TEXT: usize = 500;

/// Characters of a choice.
const MAX_CHOICE: usize = 200;

const MAX_CHOICES: usize = 8;

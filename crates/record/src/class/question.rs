//! A prediction: the class votes, the experiment runs, and the measured answer is shown beside the votes.

use serde::{Deserialize, Serialize};

/// A question with its votes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Question {
    /// Names it: a vote is for one question.
    pub id: u64,
    /// What is asked.
    pub text: String,
    /// The answers to choose from.
    pub choices: Vec<String>,
    /// Number of votes for each choice.
    pub votes: Vec<u32>,
    /// Number of addresses that the votes came from.
    pub addresses: u32,
    /// How far it is.
    pub state: QuestionState,
    /// The lesson that measures the answer; absent if a teacher typed the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<String>,
    /// Index of the right choice, once it is known; absent if none is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<usize>,
    /// What was measured, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
}

/// How far a question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionState {
    /// Votes count, and may be changed.
    #[default]
    Open,
    /// Votes are closed, and the answer is not known.
    Closed,
    /// Votes are closed, and the experiment runs.
    Running,
    /// Votes are closed, and the answer is shown.
    Answered,
}

/// A question to ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewQuestion {
    /// What is asked.
    pub text: String,
    /// The answers to choose from.
    pub choices: Vec<String>,
    /// The lesson that measures the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<String>,
}

/// A lesson whose question a teacher may ask.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LessonChoice {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it asks.
    pub text: String,
    /// The answers to choose from.
    pub choices: Vec<String>,
}

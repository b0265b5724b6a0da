//! The filter: rows whose address, process, state or cause contains a text.

use echoctl_record::printable;

use super::cause::label;
use super::reading::Entry;

/// A text that rows contain, in any case. Empty: all rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Filter {
    text: String,
    lower: String,
}

impl Filter {
    pub(super) fn new(text: &str) -> Filter {
        Filter { text: text.to_owned(), lower: text.to_lowercase() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends a character, up to [`MAX_LENGTH`].
    pub(super) fn push(&mut self, character: char) {
        if self.text.chars().count() < MAX_LENGTH {
            *self = Filter::new(&format!("{}{character}", self.text));
        }
    }

    /// Removes the last character.
    pub(super) fn pop(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        text.pop();
        *self = Filter::new(&text);
    }

    /// Whether the row is shown.
    pub(super) fn matches(&self, entry: &Entry) -> bool {
        // What is compared is what is shown.
        let contains = |text: &str| printable(text).to_lowercase().contains(&self.lower);
        self.is_empty()
            || contains(&entry.row.client)
            || entry.row.client_process.as_deref().is_some_and(contains)
            || contains(&label(entry.row.cause, entry.row.roles()))
            || contains(&entry.row.diagnosis().to_string())
            || contains(&entry.row.state)
    }
}

/// Characters of a filter at most: more than an IPv6 address with its port has.
const MAX_LENGTH: usize = 60;

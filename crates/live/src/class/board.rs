//! What all viewers see: the latest state as one text that they share, and the past for those who join.
//!
//! A viewer that reads slowly skips states: it holds none but the one that it is reading, so it costs no more than one that reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echoctl_record::{ClassHistory, ClassPoint, ClassRow, ClassState, Question};
use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::questions::Questions;

/// The present and the past of a class.
#[derive(Debug)]
pub(super) struct Board {
    latest: watch::Sender<Bytes>,
    history: Mutex<ClassHistory>,
}

impl Board {
    pub(super) fn new() -> Board {
        Board { latest: watch::Sender::new(Bytes::new()), history: Mutex::default() }
    }

    /// The latest state as an event: marked as unseen.
    pub(super) fn subscribe(&self) -> watch::Receiver<Bytes> {
        let mut latest = self.latest.subscribe();
        latest.mark_changed();
        latest
    }

    /// Points of the past after `t`, as an event, and the time of the last one; `None` if there are none.
    pub(super) fn history_after(&self, t: f64) -> Option<(Bytes, f64)> {
        #[derive(Serialize)]
        struct History<'a> {
            points: &'a [ClassPoint],
        }
        let history = self.history();
        let points = history.after(t);
        let points = &points[..points.len().min(POINTS_PER_EVENT)];
        let last = points.last()?.t;
        Some((event("history", &History { points }), last))
    }

    /// Shows each new state, and each change of the question, until it is dropped.
    pub(super) async fn follow(&self, mut states: watch::Receiver<Arc<ClassState>>, questions: &Questions) {
        let mut has_ended = false;
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.show(&state, questions.current());
            sleep_until(Instant::now() + MIN_INTERVAL).await;
            tokio::select! {
                changed = states.changed(), if !has_ended => has_ended = changed.is_err(),
                () = questions.changed() => {}
            }
        }
    }

    /// Shows a state. Its own question, that of a replay, is shown if there is no other.
    fn show(&self, state: &ClassState, question: Option<Question>) {
        let mut history = self.history();
        if history.last() != Some(&state.point) {
            history.push(state.point);
        }
        drop(history);
        let mut shown = state.clone();
        shown.question = question.or(shown.question);
        self.latest.send_replace(state_event(shown));
    }

    fn history(&self) -> MutexGuard<'_, ClassHistory> {
        // Nothing panics while it is locked.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event: its name, and its data as JSON, which contains no line break.
pub(super) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    // Data without maps, which has no reason to fail.
    let _ = serde_json::to_writer(&mut text, data);
    text.extend_from_slice(b"\n\n");
    Bytes::from(text)
}

/// A state as an event of at most [`ClassState::MAX_JSON`]: rows from the end are left out, then marks.
fn state_event(mut state: ClassState) -> Bytes {
    state.rows.truncate(ClassState::MAX_ROWS);
    for row in &mut state.rows {
        row.name = row.name.take().map(|name| ClassRow::shown_name(&name)).filter(|name| !name.is_empty());
    }
    state.marks.drain(..state.marks.len().saturating_sub(ClassState::MAX_MARKS));
    loop {
        let text = event("state", &state);
        let is_short = state.rows.is_empty() && state.marks.is_empty();
        if text.len() <= ClassState::MAX_JSON || is_short {
            return text;
        }
        match state.rows.is_empty() {
            true => state.marks.clear(),
            false => state.rows.truncate(state.rows.len() / 2),
        }
    }
}

/// Between two states: with the maximum length of one, a viewer gets at most 64 KiB per second.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// About 5 KiB: a viewer that joins and does not read buffers no more of the past.
const POINTS_PER_EVENT: usize = 40;

#[cfg(test)]
mod tests {
    use echoctl_record::Mark;

    use super::*;

    fn read(event: &Bytes) -> ClassState {
        let json = event.strip_prefix(b"event: state\ndata: ").unwrap();
        serde_json::from_slice(json.strip_suffix(b"\n\n").unwrap()).unwrap()
    }

    #[test]
    fn a_state_is_never_longer_than_the_limit() {
        let row = ClassRow {
            peer: "x".repeat(60),
            name: Some("\"\u{1b}🙂\n".repeat(1000)),
            diagnosis: "client does not read (42 s)".to_owned(),
            ..ClassRow::default()
        };
        let mark = Mark { t: 1.0, label: "é\\".repeat(400) };
        for (rows, marks) in [(0, 0), (40, 0), (1000, 0), (40, 10), (0, 1000), (1000, 1000)] {
            let state = ClassState {
                rows: vec![row.clone(); rows],
                marks: vec![mark.clone(); marks],
                ..ClassState::default()
            };

            let event = state_event(state);

            assert!(event.len() <= ClassState::MAX_JSON, "{rows} rows, {marks} marks");
            let shown = read(&event);
            assert_eq!(shown.rows.is_empty(), rows == 0 || marks > 100, "{rows} rows, {marks} marks");
            assert!(
                shown.rows.iter().all(|row| row.name.as_ref().unwrap().chars().count() == ClassRow::MAX_NAME)
            );
        }
    }

    #[test]
    fn the_past_arrives_in_parts_and_in_order() {
        let board = Board::new();
        for at in 0..100 {
            let point = ClassPoint { t: f64::from(at), ..ClassPoint::default() };
            board.show(&ClassState { point, ..ClassState::default() }, None);
        }

        let (mut from, mut points) = (f64::NEG_INFINITY, String::new());
        while let Some((event, last)) = board.history_after(from) {
            points.push_str(std::str::from_utf8(&event).unwrap());
            from = last;
        }

        assert_eq!(from, 99.0);
        assert_eq!(points.matches("\"t\":").count(), 100);
        assert_eq!(points.matches("event: history").count(), 3);
    }
}

//! One viewer of the event stream: what it gets next.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;

use super::board::Board;
use super::viewers::Ticket;
use super::voters::Connected;
use crate::places::Served;

/// A viewer, for as long as it is connected.
pub(super) struct Viewer {
    pub(super) board: Arc<Board>,
    pub(super) latest: watch::Receiver<Bytes>,
    pub(super) step: Step,
    /// Its place among the viewers, and its connection's.
    pub(super) _places: (Ticket, Served),
    pub(super) _voter: Option<Connected>,
}

/// How far it is.
pub(super) enum Step {
    /// Gets its first event.
    Hello(Bytes),
    /// Has the past up to this time.
    Past(f64),
    /// Gets each state, or the latest if it reads more slowly than they are made.
    Live,
}

impl Viewer {
    /// The next event. It is made when the last one is written, not before.
    pub(super) async fn next(mut self) -> (Bytes, Viewer) {
        let event = self.event().await;
        (event, self)
    }

    async fn event(&mut self) -> Bytes {
        if let Step::Hello(hello) = &mut self.step {
            let hello = std::mem::take(hello);
            self.step = Step::Past(f64::NEG_INFINITY);
            return hello;
        }
        if let Step::Past(until) = self.step {
            if let Some((points, last)) = self.board.history_after(until) {
                self.step = Step::Past(last);
                return points;
            }
            self.step = Step::Live;
        }
        tokio::select! {
            // The board lives as long as this viewer.
            Ok(()) = self.latest.changed() => self.latest.borrow_and_update().clone(),
            () = sleep(HEARTBEAT) => Bytes::from_static(b":\n\n"),
        }
    }
}

/// A comment after this long without a state: a client that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(10);

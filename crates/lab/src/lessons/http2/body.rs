//! The body of a response, made at a constant rate.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Makes [`TOTAL`] bytes at [`RATE`]: a log that is followed, or rows of a query.
pub(super) struct Body {
    began: Instant,
    made: u64,
}

impl Body {
    pub(super) fn new() -> Body {
        Body { began: Instant::now(), made: 0 }
    }

    /// The next piece, when it is due; `None` after the last.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        if self.made >= TOTAL {
            return None;
        }
        sleep_until(self.began + Duration::from_secs_f64(self.made as f64 / RATE as f64)).await;
        self.made += PIECE as u64;
        Some(vec![b'x'; PIECE])
    }
}

/// Bytes of a body.
pub(super) const TOTAL: u64 = 32 << 20;

/// Bytes per second.
pub(super) const RATE: u64 = 32 << 20;

/// Bytes per piece: one DATA frame.
const PIECE: usize = 16 << 10;

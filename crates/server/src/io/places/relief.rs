//! The order to a worker to hand over connections.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use super::PlaceIndex;

/// How many of the next connections to read at a worker should move, and where. Initially none.
///
/// The number is in the upper half of the integer, the place in the lower one, so that both change at once.
#[derive(Debug, Default)]
pub(super) struct Relief(AtomicU32);

impl Relief {
    /// Replaces the order.
    pub(super) fn order(&self, connections: u16, place: PlaceIndex) {
        self.0.store(u32::from(connections) << 16 | u32::from(place), Relaxed);
    }

    /// Cancels the order.
    pub(super) fn cancel(&self) {
        self.order(0, 0);
    }

    /// Where the next connection should move. It is then no longer to be handed over.
    pub(super) fn next(&self) -> Option<PlaceIndex> {
        // Each read asks, and there is hardly ever an order.
        if self.0.load(Relaxed) < ONE {
            return None;
        }
        let order = self.0.fetch_update(Relaxed, Relaxed, |order| order.checked_sub(ONE)).ok()?;
        Some(order as PlaceIndex)
    }
}

/// One connection.
const ONE: u32 = 1 << 16;

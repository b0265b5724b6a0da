//! What the server permits: its SETTINGS.

use crate::Violation;
use crate::frame::{
    DEFAULT_WINDOW, ENABLE_PUSH, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_31_BITS, MAX_CONCURRENT_STREAMS,
    MAX_FRAME, MAX_FRAME_SIZE, number_32,
};
use crate::hpack;

/// The settings in force, the protocol's defaults at first.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerSettings {
    pub(super) max_streams: u32,
    pub(super) initial_window: u32,
    pub(super) max_frame: u32,
    /// The smallest dynamic table that was asked of our encoder so far.
    pub(super) smallest_table: u32,
}

impl PeerSettings {
    pub(super) const fn new() -> PeerSettings {
        PeerSettings {
            max_streams: u32::MAX,
            initial_window: DEFAULT_WINDOW,
            max_frame: MAX_FRAME,
            smallest_table: hpack::TABLE_SIZE as u32,
        }
    }

    /// Applies a SETTINGS frame, in order. Unknown settings are ignored.
    pub(super) fn apply(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let (settings, _) = payload.as_chunks::<6>();
        for &[id_high, id_low, ref value @ ..] in settings {
            let (setting, value) = (u16::from_be_bytes([id_high, id_low]), number_32(value));
            let is_valid = match setting {
                // Only a client may permit pushes.
                ENABLE_PUSH => value == 0,
                INITIAL_WINDOW_SIZE => value <= MAX_31_BITS,
                MAX_FRAME_SIZE => (MAX_FRAME..1 << 24).contains(&value),
                _ => true,
            };
            if !is_valid {
                return Err(Violation::Setting { setting, value });
            }
            match setting {
                HEADER_TABLE_SIZE => self.smallest_table = self.smallest_table.min(value),
                MAX_CONCURRENT_STREAMS => self.max_streams = value,
                INITIAL_WINDOW_SIZE => self.initial_window = value,
                MAX_FRAME_SIZE => self.max_frame = value,
                _ => {}
            }
        }
        Ok(())
    }
}

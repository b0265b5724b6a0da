//! Why a connection is closed from outside its task, in a form that fits an atomic of its entry in the table.

use crate::close_reason::CloseReason;

/// Why a connection is closed from outside its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CloseCause {
    MemoryLimit = 1,
    IdleTimeout,
    WriteTimeout,
    MinRate,
    Shutdown,
}

impl CloseCause {
    /// The cause with this code; `None` for 0.
    pub(super) const fn from_code(code: u8) -> Option<CloseCause> {
        match code {
            1 => Some(CloseCause::MemoryLimit),
            2 => Some(CloseCause::IdleTimeout),
            3 => Some(CloseCause::WriteTimeout),
            4 => Some(CloseCause::MinRate),
            5 => Some(CloseCause::Shutdown),
            _ => None,
        }
    }
}

impl From<CloseCause> for CloseReason {
    fn from(cause: CloseCause) -> CloseReason {
        match cause {
            CloseCause::MemoryLimit => CloseReason::MemoryLimit,
            CloseCause::IdleTimeout => CloseReason::IdleTimeout,
            CloseCause::WriteTimeout => CloseReason::WriteTimeout,
            CloseCause::MinRate => CloseReason::MinRate,
            CloseCause::Shutdown => CloseReason::Shutdown,
        }
    }
}

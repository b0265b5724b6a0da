//! Why a connection is closed from outside its task, in a form that fits an atomic of its entry in the table.

use crate::event::CloseReason;

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
    /// All of them.
    pub(crate) const ALL: [CloseCause; 5] = [
        CloseCause::MemoryLimit,
        CloseCause::IdleTimeout,
        CloseCause::WriteTimeout,
        CloseCause::MinRate,
        CloseCause::Shutdown,
    ];
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

//! Why a connection is closed from outside its task, in a form that fits an atomic of its entry in the table.

use thiserror::Error;

/// Why a connection is closed from outside its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[repr(u8)]
pub enum CloseCause {
    /// All connections together reached the memory limit, and this one buffered the most.
    #[error("memory limit reached: this connection buffered the most")]
    MemoryLimit = 1,
    /// No input and no pending output for the idle timeout.
    #[error("idle timeout: no input and no pending replies")]
    IdleTimeout,
    /// The peer acknowledged none of its pending output for the write timeout.
    #[error("write timeout: the peer acknowledged none of its pending replies")]
    WriteTimeout,
    /// The peer acknowledged its pending output more slowly than the minimum rate.
    #[error("minimum rate: the peer acknowledged its pending replies too slowly")]
    MinRate,
    /// The server shut down before the peer had read its pending output.
    #[error("shutdown: the peer did not read its pending replies in time")]
    Shutdown,
    /// The operator of the server disconnected it.
    #[error("disconnected by the operator of the server")]
    Operator,
}

impl CloseCause {
    /// The cause with this code; `None` for 0.
    pub(super) fn from_code(code: u8) -> Option<CloseCause> {
        let causes = [
            Self::MemoryLimit,
            Self::IdleTimeout,
            Self::WriteTimeout,
            Self::MinRate,
            Self::Shutdown,
            Self::Operator,
        ];
        causes.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// Its name in events.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            CloseCause::MemoryLimit => "memory_limit",
            CloseCause::IdleTimeout => "idle_timeout",
            CloseCause::WriteTimeout => "write_timeout",
            CloseCause::MinRate => "min_rate",
            CloseCause::Shutdown => "shutdown",
            CloseCause::Operator => "operator",
        }
    }
}

//! How the server of an audit comes to run.

/// Whether the server runs, or the audit starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Running,
    ByCommand,
}

//! One connection of a watched server: what the kernel shows of it, why bytes wait in it, and the row that is printed and kept.
//!
//! ```text
//! ConnectionFigures ──(the rule, in the crate verdict)──► Diagnosis ──► ConnectionRow
//! ```

mod age;
mod cause;
mod diagnosis;
mod figures;
mod listener;
mod roles;
mod row;

pub use age::Age;
pub use cause::{ConnectionCause, Stalled};
pub use diagnosis::Diagnosis;
pub use figures::{ConnectionFigures, ConnectionPhase, SocketTimer};
pub use listener::ListenerFigures;
pub use roles::Roles;
pub use row::ConnectionRow;

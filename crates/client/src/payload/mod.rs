//! What is sent: the bytes of frame number *n*, and the endless stream of a connection's frames.

mod frame_stream;
mod number;
mod recipe;

pub use frame_stream::FrameStream;
pub(crate) use number::DIGITS;
pub(crate) use recipe::MAX_HEAD;
pub use recipe::{Frame, Pool, Recipe};

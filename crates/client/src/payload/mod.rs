//! What is sent: the bytes of frame number *n*, and the endless stream of a connection's frames.

mod frame_stream;
mod number;
mod recipe;

pub(crate) use frame_stream::FrameStream;
pub(crate) use number::DIGITS;
pub(crate) use recipe::{Frame, MAX_HEAD, Pool, Recipe};

//! The lessons, one per file or folder, to be read from top to bottom.

mod backpressure;
mod buffer;
mod dns;
mod duplex;
mod flow_control;
mod framing;
mod half_close;
mod handshake;
mod pause;
mod race;
mod send_buffer;
mod sockets;
mod stream;
mod unbounded;
mod write;

pub use unbounded::serve_candidate;

use crate::kit::Lesson;

/// All lessons, in the order of the course.
pub const ALL: &[Lesson] = &[
    stream::LESSON,
    framing::LESSON,
    dns::LESSON,
    handshake::LESSON,
    sockets::LESSON,
    duplex::LESSON,
    half_close::LESSON,
    write::LESSON,
    flow_control::LESSON,
    send_buffer::LESSON,
    backpressure::LESSON,
    pause::LESSON,
    race::LESSON,
    buffer::LESSON,
    unbounded::LESSON,
];

/// The lesson of this name.
pub fn find(name: &str) -> Option<&'static Lesson> {
    ALL.iter().find(|lesson| lesson.name == name)
}

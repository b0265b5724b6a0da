//! The lessons, one per file or folder, to be read from top to bottom.

mod backpressure;
mod buffer;
mod dns;
mod duplex;
mod flow_control;
mod framing;
mod half_close;
mod handshake;
mod http2;
mod isolation;
mod pause;
mod race;
mod send_buffer;
mod sockets;
mod stream;
mod timeouts;
mod unbounded;
mod write;

use std::io;
use std::net::SocketAddr;

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
    isolation::LESSON,
    timeouts::LESSON,
    http2::LESSON,
];

/// The shortest way from the stream to backpressure: 15 minutes.
pub const QUARTER_OF_AN_HOUR: &[Lesson] = &[
    stream::LESSON,
    write::LESSON,
    duplex::LESSON,
    flow_control::LESSON,
    backpressure::LESSON,
    unbounded::LESSON,
];

/// The lesson of this name.
pub fn find(name: &str) -> Option<&'static Lesson> {
    ALL.iter().find(|lesson| lesson.name == name)
}

/// Runs a server that a lesson starts as a child process, until stdin is closed. Calls `listening` with its address.
///
/// # Errors
/// When there is no server of this name, or it cannot listen.
pub fn serve_candidate(name: &str, listening: impl FnOnce(SocketAddr) -> io::Result<()>) -> io::Result<()> {
    match (unbounded::Candidate::find(name), http2::Method::find(name)) {
        (Some(candidate), _) => candidate.serve(listening),
        (None, Some(method)) => method.serve(listening),
        (None, None) => Err(io::Error::new(io::ErrorKind::NotFound, format!("unknown server '{name}'"))),
    }
}

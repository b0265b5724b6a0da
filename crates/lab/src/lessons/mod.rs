//! The course: each file is one lesson, read from top to bottom.

mod buffer;
mod framing;
mod race;

use crate::kit::Lesson;

/// All lessons, in the order of the course.
pub const ALL: &[Lesson] = &[framing::LESSON, race::LESSON, buffer::LESSON];

/// The lesson of this name.
pub fn find(name: &str) -> Option<&'static Lesson> {
    ALL.iter().find(|lesson| lesson.name == name)
}

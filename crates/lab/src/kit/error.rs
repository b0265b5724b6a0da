//! Why a lesson has no answer.

use std::io;

use echoctl_record::Bytes;
use thiserror::Error;

use super::measure::is_not_now;

/// A lesson that could not be run to its end. A lesson that ran and showed something else is no error: its
/// [`Claim`](super::Claim)s say so.
#[derive(Debug, Error)]
pub enum LessonError {
    /// A system call failed that the experiment needs.
    #[error("{doing}")]
    Io {
        /// What was attempted.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A condition that the experiment waits for did not come about.
    #[error("waited {seconds} s in vain until {what}")]
    TimedOut {
        /// The condition.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A part of the experiment that is a program or a thread of its own failed.
    #[error("{0}")]
    Part(String),
    /// This system does not show what the lesson is about. Not a fault: the answer is "cannot be seen here".
    #[error("not visible here: {0}")]
    NotVisible(String),
    /// What the experiment shows is memory that grows, and too little is left for it. Not a fault either.
    #[error("run the experiment: needs {needs} of memory, {left} left")]
    TooLittleMemory {
        /// What it needs, all its processes together.
        needs: Bytes,
        /// What is left to this process.
        left: Bytes,
    },
}

impl LessonError {
    /// Refuses an experiment that needs this many bytes of memory where less is left, before the kernel ends it half way.
    ///
    /// # Errors
    /// [`LessonError::TooLittleMemory`].
    pub(crate) fn unless_left(needs: u64) -> Result<(), LessonError> {
        match echoctl_observe::available_memory().filter(|&left| left < needs) {
            Some(left) => Err(LessonError::TooLittleMemory { needs: Bytes(needs), left: Bytes(left) }),
            None => Ok(()),
        }
    }

    /// Whether something took longer than it should, which may be the system's doing.
    pub(super) fn is_about_time(&self) -> bool {
        match self {
            LessonError::TimedOut { .. } => true,
            LessonError::Io { source, .. } => is_not_now(source),
            LessonError::Part(_) | LessonError::NotVisible(_) | LessonError::TooLittleMemory { .. } => false,
        }
    }

    /// For `map_err`: names what was attempted when an I/O call failed.
    pub fn io<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> LessonError {
        let doing = doing.into();
        move |source| LessonError::Io { doing, source: source.into() }
    }
}

/// Calls whose failure needs no explanation beyond the system's own words: the sockets of an experiment that works.
impl From<io::Error> for LessonError {
    fn from(source: io::Error) -> LessonError {
        match source.kind() {
            io::ErrorKind::Unsupported => LessonError::NotVisible(source.to_string()),
            io::ErrorKind::OutOfMemory => LessonError::NotVisible(format!(
                "the experiment needs more memory than this process may have: {source} (ulimit -v)"
            )),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => LessonError::NotVisible(format!(
                "no local port is left for the experiment: {source} (net.ipv4.ip_local_port_range)"
            )),
            _ if source.raw_os_error() == Some(TOO_MANY_OPEN_FILES) => LessonError::NotVisible(format!(
                "the experiment needs more open files than this process may have: {source} (ulimit -n)"
            )),
            _ => LessonError::Io { doing: "use the experiment's sockets".to_owned(), source },
        }
    }
}

impl From<echoctl_observe::Error> for LessonError {
    fn from(error: echoctl_observe::Error) -> LessonError {
        match error {
            echoctl_observe::Error::NotVisible { .. } => LessonError::NotVisible(error.to_string()),
            echoctl_observe::Error::NoThread(_) => {
                LessonError::NotVisible(format!("{error} (ulimit -u, ulimit -v)"))
            }
            _ => LessonError::Part(error.to_string()),
        }
    }
}

impl From<crate::Error> for LessonError {
    fn from(error: crate::Error) -> LessonError {
        match error {
            crate::Error::Observe(error) => error.into(),
            error => LessonError::Part(error.to_string()),
        }
    }
}

/// EMFILE, on every Unix. It has no kind of its own.
const TOO_MANY_OPEN_FILES: i32 = 24;

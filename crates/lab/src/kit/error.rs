//! The reasons why a lesson could not be run to its end.

use std::io;

use echoctl_record::Bytes;
use thiserror::Error;

use super::loopback::is_not_now;

/// A lesson that could not be run to its end. A lesson that ran and showed something else is not an error: see its
/// [`Claim`](super::Claim)s.
#[derive(Debug, Error)]
pub enum LessonError {
    /// A system call of the experiment failed.
    #[error("{doing}")]
    Io {
        /// What was attempted.
        doing: String,
        /// The system's error.
        source: io::Error,
    },
    /// A condition that the experiment waits for did not occur.
    #[error("wait until {what}: timed out after {seconds} s")]
    TimedOut {
        /// The condition.
        what: String,
        /// The timeout.
        seconds: u64,
    },
    /// A part of the experiment, such as a thread or a child process, failed.
    #[error("{0}")]
    Part(String),
    /// This system cannot show what the lesson is about. That is not a failure of the lesson.
    #[error("not visible here: {0}")]
    NotVisible(String),
    /// The experiment shows growing memory, and too little is available. That is not a failure of the lesson, either.
    #[error("run the experiment: it needs {needs} of memory, and {left} are available")]
    TooLittleMemory {
        /// What all its processes need together.
        needs: Bytes,
        /// What is available to this process.
        left: Bytes,
    },
}

impl LessonError {
    /// Refuses an experiment that needs more memory than is available, before the kernel kills it half way.
    ///
    /// # Errors
    /// [`LessonError::TooLittleMemory`].
    pub(crate) fn unless_left(needs: u64) -> Result<(), LessonError> {
        match echoctl_observe::available_memory().filter(|&left| left < needs) {
            Some(left) => Err(LessonError::TooLittleMemory { needs: Bytes(needs), left: Bytes(left) }),
            None => Ok(()),
        }
    }

    /// Whether something took too long, which the system's settings may have caused.
    pub(super) fn is_about_time(&self) -> bool {
        match self {
            LessonError::TimedOut { .. } => true,
            LessonError::Io { source, .. } => is_not_now(source),
            LessonError::Part(_) | LessonError::NotVisible(_) | LessonError::TooLittleMemory { .. } => false,
        }
    }

    /// For `map_err`: adds what was attempted to the error of an I/O call.
    pub fn io<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> LessonError {
        let doing = doing.into();
        move |source| LessonError::Io { doing, source: source.into() }
    }
}

/// For calls on the experiment's sockets, whose errors need no further explanation.
impl From<io::Error> for LessonError {
    fn from(source: io::Error) -> LessonError {
        match source.kind() {
            io::ErrorKind::Unsupported => LessonError::NotVisible(source.to_string()),
            io::ErrorKind::OutOfMemory => LessonError::NotVisible(format!(
                "the experiment needs more memory than this process is allowed: {source} (ulimit -v)"
            )),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => LessonError::NotVisible(format!(
                "no local port is available for the experiment: {source} (net.ipv4.ip_local_port_range)"
            )),
            _ if source.raw_os_error() == Some(TOO_MANY_OPEN_FILES) => LessonError::NotVisible(format!(
                "the experiment needs more open files than this process is allowed: {source} (ulimit -n)"
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

impl From<echoctl_server::Error> for LessonError {
    fn from(error: echoctl_server::Error) -> LessonError {
        match error {
            echoctl_server::Error::Start { source, .. } => echoctl_observe::Error::NoThread(source).into(),
            echoctl_server::Error::NoUring { .. } => {
                LessonError::NotVisible("io_uring, which the kernel or a sandbox refuses".to_owned())
            }
            error => LessonError::Part(error.to_string()),
        }
    }
}

impl From<echoctl_trial::Error> for LessonError {
    fn from(error: echoctl_trial::Error) -> LessonError {
        match error {
            echoctl_trial::Error::Observe(error) => error.into(),
            error => LessonError::Part(error.to_string()),
        }
    }
}

/// EMFILE on every Unix; it has no `ErrorKind` of its own.
const TOO_MANY_OPEN_FILES: i32 = 24;

//! Errors that prevent a verdict, and what is wrong with scripts and presets.
//!
//! A finding about the server (it exited, it closed the connection) is evidence and not an error.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use echoctl_observe::ServerAddr;
use echoctl_record::{Bytes, Seconds};
use echoctl_trial::spawn::{ForeignListener, SpawnError};
use thiserror::Error;

use crate::attack::ClientFailure;
use crate::preset::Preset;
use crate::script::Transport;

/// Why an audit did not take place.
#[derive(Debug, Error)]
pub enum Error {
    /// The server could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A process that may not be attacked now listens at the address. It was not attacked.
    #[error(
        "cannot continue: {0} now listens on {addr} and may not be attacked; it was sent nothing",
        addr = .0.addr
    )]
    ListenerChanged(ForeignListener),
    /// No connection could be made.
    #[error("cannot connect to {addr}")]
    Connect {
        /// The target.
        addr: ServerAddr,
        /// The error from the operating system.
        source: io::Error,
    },
    /// A TLS session could not be begun.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An HTTP/2 session could not be begun.
    #[error(transparent)]
    Http2(#[from] Http2Error),
    /// The script is for servers at another kind of address.
    #[error("the script's transport is {transport}, and {addr} is not an address for it")]
    OtherTransport {
        /// What the script asks for.
        transport: Transport,
        /// The target.
        addr: ServerAddr,
    },
    /// The script asks for TLS.
    #[error("this program was built without TLS")]
    TlsNotBuilt,
    /// A step of the script did not get its answer.
    #[error("{step}: {failure}")]
    Step {
        /// Which step, e.g. `setup, step 2`.
        step: String,
        /// What was expected, and what arrived.
        failure: StepFailure,
    },
    /// A client could not be frozen in the middle of its work.
    #[error(transparent)]
    Client(#[from] ClientFailure),
    /// The audit was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Whether the target could not be reached or started.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Error::Spawn(error) => !matches!(error, SpawnError::NoFreePort | SpawnError::Interrupted),
            Error::Tls(error) => error.is_the_servers(),
            Error::Client(failure) => failure.is_unreachable(),
            Error::ListenerChanged(_) | Error::Connect { .. } | Error::Http2(_) | Error::Step { .. } => true,
            Error::OtherTransport { .. } | Error::TlsNotBuilt | Error::Interrupted => false,
        }
    }
}

impl From<echoctl_observe::Error> for Error {
    /// The listeners are not visible, as when a server is started.
    fn from(error: echoctl_observe::Error) -> Error {
        Error::Spawn(error.into())
    }
}

/// Why there is no TLS session with a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlsError {
    /// It answered in another protocol.
    #[error("the server does not speak TLS: it answered \"{0}\"")]
    NotTls(String),
    /// It closed the connection.
    #[error("the server closed the connection during the TLS handshake")]
    Closed,
    /// It did not finish the handshake.
    #[error("the server did not finish the TLS handshake within {}", rounded(*.0))]
    TimedOut(Duration),
    /// It wants to know who we are.
    #[error("the server accepts only clients with a certificate, and the audit has none")]
    ClientCertificate,
    /// It refused the handshake.
    #[error("the server refused the TLS handshake: {0}")]
    Alert(String),
    /// No trusted certificate vouches for it.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(String),
    /// It made a mistake in the protocol.
    #[error("the server violated TLS: {0}")]
    Violated(String),
    /// It does not choose HTTP/2 although that is offered.
    #[error("the server does not speak HTTP/2: of the protocols offered inside TLS, it chose {}",
        .0.as_deref().unwrap_or("none"))]
    NoHttp2(Option<String>),
    /// The name to verify is not the name of a host.
    #[error("'{0}' is not the name of a host")]
    ServerName(String),
    /// A certificate to trust cannot be used.
    #[error("a certificate to trust cannot be used: {0}")]
    Root(String),
}

/// Why there is no HTTP/2 session with a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Http2Error {
    /// It answered in another protocol.
    #[error("the server does not speak HTTP/2: it answered \"{0}\"")]
    NotHttp2(String),
    /// It closed the connection.
    #[error("the server closed the connection instead of beginning with HTTP/2")]
    Closed,
    /// It did not begin.
    #[error("the server did not begin with HTTP/2 within {}", rounded(*.0))]
    TimedOut(Duration),
    /// It ended the session, or made a mistake in the protocol.
    #[error("the server did not begin with HTTP/2: {0}")]
    Failed(String),
}

impl TlsError {
    /// Whether the server, and not the configuration, is the reason.
    fn is_the_servers(&self) -> bool {
        !matches!(self, TlsError::ServerName(_) | TlsError::Root(_))
    }
}

/// Why a step of a script failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepFailure {
    /// The server closed the connection while the step was sent, which expects no answer.
    #[error("the server closed the connection after {sent} of {length} bytes were sent")]
    ClosedWhileSending {
        /// Bytes that were sent.
        sent: usize,
        /// Bytes of the step.
        length: usize,
    },
    /// The server closed the connection instead of the expected answer.
    #[error("the server closed the connection; expected {expected}, got {received}")]
    Closed {
        /// What was expected, as text.
        expected: String,
        /// The beginning of what arrived, as text.
        received: String,
    },
    /// The server did not accept all of the step in time.
    #[error("only {sent} of {length} bytes could be sent within {}", rounded(*.waited))]
    NotSent {
        /// Bytes that were sent.
        sent: usize,
        /// Bytes of the step.
        length: usize,
        /// How long it was waited.
        waited: Duration,
    },
    /// The expected answer did not arrive in time.
    #[error("expected {expected} within {}, got {received}", rounded(*.waited))]
    NoAnswer {
        /// What was expected, as text.
        expected: String,
        /// The beginning of what arrived, as text.
        received: String,
        /// How long it was waited.
        waited: Duration,
    },
}

fn rounded(time: Duration) -> String {
    match time.as_secs_f64() {
        long if long >= 1.0 => format!("{long:.0} s"),
        short => Seconds(short).to_string(),
    }
}

/// Why a script or a request is invalid.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// A script cannot be used.
    #[error("cannot read script {path}: {reason}")]
    Script {
        /// Where it was read from.
        path: PathBuf,
        /// What is wrong, with line and field.
        reason: Box<ScriptError>,
    },
    /// A request cannot be read from its file.
    #[error("cannot read {path}: {reason}")]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<ScriptError>,
    },
    /// A part of a script is invalid.
    #[error("{place}: {reason}")]
    At {
        /// Which part, e.g. `setup[1]`.
        place: String,
        /// What is wrong with it.
        reason: Box<ScriptError>,
    },
    /// It is not a script in TOML.
    #[error("{}", .0.to_string().trim_end())]
    Toml(Box<toml::de::Error>),
    /// It is not a script in JSON.
    #[error(transparent)]
    Json(serde_json::Error),
    /// It is not text.
    #[error("not UTF-8 text")]
    NotText,
    /// A file cannot be read.
    #[error(transparent)]
    File(io::Error),
    /// A file is too large.
    #[error("larger than {}", Bytes(*.0 as u64))]
    FileTooLarge(usize),
    /// A payload is too large.
    #[error("a payload is at most {} MiB", .0 >> 20)]
    PayloadTooLarge(usize),
    /// A repeated text is too large.
    #[error("field 'count': fill and count are more than {} MiB", .0 >> 20)]
    FillTooLarge(usize),
    /// A text to repeat has no number of repetitions.
    #[error("field 'fill' needs 'count', the number of repetitions")]
    NoCount,
    /// A part of a payload has none of its forms, or more than one.
    #[error("a part of a payload is exactly one of {{text}}, {{hex}}, {{fill, count}} and {{file}}")]
    NotOnePart,
    /// A character is not a hexadecimal digit.
    #[error("field 'hex': '{0}' is not a hexadecimal digit")]
    NotHex(char),
    /// The last byte in hexadecimal has one digit.
    #[error("field 'hex': {0} digits are not complete bytes")]
    OddHex(usize),
    /// A stimulus has none of its forms, or both.
    #[error("field 'stimulus' needs exactly one of 'repeat' and 'once'")]
    NotOneStimulus,
    /// A field has a value that is not one of its values.
    #[error("field '{field}': expected {expected}")]
    InvalidField {
        /// The field.
        field: &'static str,
        /// Its values, in words.
        expected: &'static str,
    },
    /// A header cannot be sent.
    #[error("field 'headers': '{}': expected {expected}", .name.escape_debug())]
    InvalidHeader {
        /// The name of the header.
        name: String,
        /// What would be valid, in words.
        expected: &'static str,
    },
    /// A field has no effect beside another one.
    #[error("field '{field}' has no effect with '{with}'")]
    NoEffect {
        /// The field.
        field: &'static str,
        /// The other one.
        with: &'static str,
    },
    /// A field has no effect without another one.
    #[error("field '{field}' needs {other}")]
    Needs {
        /// The field.
        field: &'static str,
        /// The other one, with its value.
        other: &'static str,
    },
    /// Nothing is to be sent repeatedly.
    #[error("field 'stimulus': 'repeat' is empty")]
    EmptyRepeat,
    /// A step does nothing.
    #[error("a step needs 'send', 'expect' or both")]
    EmptyStep,
    /// A payload has no bytes.
    #[error("field '{0}' is empty")]
    EmptyField(&'static str),
    /// A `\x` without two digits.
    #[error("incomplete escape '\\x': expected two hexadecimal digits, as in \\x0a")]
    IncompleteHexEscape,
    /// An escape that does not exist.
    #[error("unknown escape '\\{0}': expected \\r, \\n, \\t, \\0, \\\\ or \\x0a")]
    UnknownEscape(char),
    /// A backslash at the end.
    #[error("incomplete escape '\\' at the end: write '\\\\' for a backslash")]
    IncompleteEscape,
}

impl ScriptError {
    /// The error, with the part of the script in which it is.
    pub(crate) fn at(self, place: impl Into<String>) -> ScriptError {
        ScriptError::At { place: place.into(), reason: Box::new(self) }
    }
}

/// Why a text is not a preset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PresetError {
    /// No preset has this name.
    #[error("no such preset: expected {}", Preset::ALL.map(|info| info.to_string()).join(", "))]
    Unknown,
    /// The preset has no argument.
    #[error("{0} accepts no argument: use {0}")]
    NoArgument(&'static str),
    /// The preset needs an argument.
    #[error("{name} needs a {what}: for example {name}:{example}")]
    MissingArgument {
        /// The preset.
        name: &'static str,
        /// What it needs.
        what: &'static str,
        /// A usual one.
        example: &'static str,
    },
    /// The argument would end the request that it is a part of.
    #[error("the argument of {0} must be a word without spaces or control characters")]
    NotAWord(&'static str),
}

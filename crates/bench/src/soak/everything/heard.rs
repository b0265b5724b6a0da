//! What a resident has printed: where it can be reached, and whether anything panicked.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// What a resident has printed so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The address of its echo server.
    pub(super) echo: Option<SocketAddr>,
    /// The address of its metrics.
    pub(super) metrics: Option<SocketAddr>,
    /// Its page: the address, and the secret path with a slash before it.
    pub(super) page: Option<(SocketAddr, String)>,
    /// Why it could not start.
    pub(super) error: Option<String>,
    /// The first lines that report a panic.
    pub(super) panics: Vec<String>,
}

impl Heard {
    /// Reads a line of its stdout or stderr.
    pub(super) fn note(&mut self, line: &str) {
        if is_panic(line) && self.panics.len() < MAX_PANICS {
            self.panics.push(line.to_owned());
        }
        if line.starts_with("error: ") {
            self.error = Some(line.to_owned());
        }
        if let Some(metrics) =
            line.strip_prefix("metrics of ").and_then(|line| line.split_once(" at http://"))
        {
            self.metrics = metrics.1.strip_suffix("/metrics").and_then(|addr| addr.parse().ok());
        } else if line.starts_with(LISTENING) || line.starts_with(PAGE) {
            self.note_event(&serde_json::from_str(line).unwrap_or_default());
        }
    }

    fn note_event(&mut self, event: &Value) {
        let addr = event["addr"].as_str().and_then(|addr| addr.parse().ok());
        match event["url"].as_str() {
            None => self.echo = addr,
            Some(url) => {
                let path = url.strip_prefix("http://").and_then(|url| url.find('/').map(|at| &url[at..]));
                self.page = addr.zip(path.map(str::to_owned));
            }
        }
    }
}

/// Whether a line reports a panic: one of Rust, or the reason for which a server closed a connection.
pub(super) fn is_panic(line: &str) -> bool {
    line.contains("panicked")
}

/// [`Heard`], for the threads that read and for one that waits.
#[derive(Debug, Default)]
pub(super) struct Ear {
    heard: Mutex<Heard>,
    changed: Condvar,
}

impl Ear {
    pub(super) fn note(&self, line: &str) {
        self.heard().note(line);
        self.changed.notify_all();
    }

    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what was heard fulfils the condition; false after `time`.
    pub(super) fn wait_for(&self, time: Duration, is_enough: impl Fn(&Heard) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.heard(), time, |heard| !is_enough(heard));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// How the two events begin that are read. Others are not parsed: a class prints a large one twice per second.
const LISTENING: &str = r#"{"event":"listening""#;
const PAGE: &str = r#"{"event":"page""#;

/// Number of stored lines.
const MAX_PANICS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_panics_are_heard() {
        let mut heard = Heard::default();
        for line in [
            r#"{"event":"page","addr":"127.0.0.1:2","url":"http://127.0.0.1:2/secret"}"#,
            r#"{"event":"state","t":0.0,"addr":"127.0.0.1:9"}"#,
            r#"{"event":"listening","addr":"127.0.0.1:1","pid":1}"#,
            "metrics of this server at http://127.0.0.1:3/metrics",
            r#"{"event":"closed","peer":"127.0.0.1:9","reason":"eof"}"#,
            "error: cannot listen",
        ] {
            heard.note(line);
        }
        assert_eq!(heard.echo, Some(SocketAddr::from(([127, 0, 0, 1], 1))));
        assert_eq!(heard.page, Some((SocketAddr::from(([127, 0, 0, 1], 2)), "/secret".to_owned())));
        assert_eq!(heard.metrics, Some(SocketAddr::from(([127, 0, 0, 1], 3))));
        assert_eq!(heard.error.as_deref(), Some("error: cannot listen"));
        assert!(heard.panics.is_empty());

        heard.note(r#"{"event":"closed","peer":"127.0.0.1:9","reason":"panicked"}"#);
        heard.note("thread 'main' panicked at src/main.rs:1:1:");
        assert_eq!(heard.panics.len(), 2);
    }
}

//! What to send instead to a server that did not understand the audit, by the protocol of its answer.

use echoctl_audit::Protocol;
use echoctl_verdict::Advice;

use super::answer::Answer;
use super::chosen::Chosen;
use super::command;
use crate::commands::advice;

/// What to try next, and the command for it, if there is one that can be pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// A phrase, for a sentence that begins with `Try next:`.
    pub(super) what: String,
    /// The command line.
    pub(super) command: Option<String>,
    /// Whether the server speaks another protocol than that of the stimulus.
    pub(super) is_other_protocol: bool,
}

impl Suggestion {
    /// What follows from an advice; or from the answer, if that shows that the server did not understand what it was sent.
    pub(super) fn new(advice: Advice, answer: Option<&Answer>, sent: &Chosen) -> Suggestion {
        let from_answer = answer.and_then(|answer| Suggestion::after(answer, sent));
        from_answer.unwrap_or_else(|| Suggestion::phrase(advice::text(advice)))
    }

    /// What to send to a server that gave this answer to something else; `None` if that fits its protocol.
    pub(super) fn after(answer: &Answer, sent: &Chosen) -> Option<Suggestion> {
        match answer.protocol? {
            Protocol::Http if sent.fits(Protocol::Http) => Suggestion::for_status(&answer.line),
            protocol if sent.fits(protocol) => None,
            protocol => Some(Suggestion::for_protocol(protocol)),
        }
    }

    /// A phrase on its own.
    fn phrase(what: impl Into<String>) -> Suggestion {
        Suggestion { what: what.into(), command: None, is_other_protocol: false }
    }

    /// For a server whose answer is typical of `protocol`, and which was sent something else.
    fn for_protocol(protocol: Protocol) -> Suggestion {
        let (what, command) = match stimulus(protocol) {
            Ok((what, options)) => (what, Some(command::with_stimulus(options))),
            Err(what) => (what, None),
        };
        Suggestion { what: what.to_owned(), command, is_other_protocol: true }
    }

    /// For a server that speaks HTTP, was sent an HTTP request and answered with this status line; `None` if that refuses nothing.
    fn for_status(line: &str) -> Option<Suggestion> {
        let status = line.split_whitespace().nth(1)?;
        let (what, options): (_, &[&str]) = match status {
            "401" | "403" | "407" => (
                "send the request with the credentials that the server asks for",
                &["--request", WITH_CREDENTIALS, "--once"],
            ),
            status if status.starts_with(['3', '4', '5']) => (
                "give the path of a large or endless reply in place of PATH",
                &["--preset", "http-get:/PATH"],
            ),
            _ => return None,
        };
        let command = Some(command::with_stimulus(options));
        Some(Suggestion { what: what.to_owned(), command, is_other_protocol: false })
    }

    /// The phrase and the command as one line.
    pub(super) fn line(&self) -> String {
        match &self.command {
            Some(command) => format!("{}: {command}", self.what),
            None => self.what.clone(),
        }
    }
}

/// What to send, and the options for it; an error says why no options can be given.
fn stimulus(protocol: Protocol) -> Result<(&'static str, &'static [&'static str]), &'static str> {
    let request = "send a request of this protocol";
    Ok(match protocol {
        Protocol::Http => (
            "send an HTTP request, for a path whose reply is large or endless (presets http-get, http-pipeline, sse, websocket)",
            &["--preset", "http-get:/"],
        ),
        Protocol::Redis => ("send Redis requests", &["--preset", "redis-get:echoctl-audit"]),
        Protocol::Memcached => (request, &["--request", r"stats\r\n"]),
        Protocol::Nats => (request, &["--request", r"PING\r\n"]),
        Protocol::Smtp => (request, &["--request", r"EHLO localhost\r\n"]),
        Protocol::Ftp => (request, &["--request", r"HELP\r\n"]),
        Protocol::Imap => (request, &["--request", r"a1 CAPABILITY\r\n"]),
        Protocol::Pop3 => (request, &["--request", r"CAPA\r\n"]),
        Protocol::Tls => {
            return Err(
                "TLS is not supported yet: audit the plain port behind it, or start the server without TLS",
            );
        }
        Protocol::Http2 => {
            return Err(
                "HTTP/2 is not supported yet: audit the plain HTTP/1.1 port, or start the server with HTTP/1.1",
            );
        }
        Protocol::Ssh => {
            return Err(
                "SSH encrypts what it carries, so no request can be sent: audit the server behind it",
            );
        }
        Protocol::MySql | Protocol::Postgres | Protocol::Amqp | Protocol::Mqtt => {
            return Err(
                "this protocol needs a login: write a script with the login in its setup and a request for much output as its \
                 stimulus, and give it with --script; --show-script prints one to start from",
            );
        }
        Protocol::WebSocketClose => {
            return Err(
                "the server closed the WebSocket, perhaps because it accepts only text messages, or smaller ones: print the \
                 script with --show-script, edit its stimulus, and give it with --script",
            );
        }
    })
}

/// A request to complete. The field is the one that most servers read.
const WITH_CREDENTIALS: &str = r"GET /PATH HTTP/1.1\r\nHost: localhost\r\nAuthorization: CREDENTIALS\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::audit::args::Args;

    fn after(options: &[&str], answer: &[u8]) -> Option<Suggestion> {
        let args = Args::of(options);
        let sent = args.stimulus.chosen(&args.destination().unwrap()).unwrap();
        let answer = Answer::of(&answer.escape_ascii().to_string()).unwrap();
        Suggestion::after(&answer, &sent)
    }

    /// The command that is suggested, and whether the server speaks another protocol.
    fn suggested(options: &[&str], answer: &[u8]) -> (String, bool) {
        let suggestion = after(options, answer).unwrap();
        (suggestion.command.unwrap_or_default(), suggestion.is_other_protocol)
    }

    #[test]
    fn an_answer_in_another_protocol_names_a_stimulus_for_it() {
        for (options, answer, expected) in [
            (&[][..], &b"HTTP/1.1 400 Bad Request\r\n"[..], "--preset http-get:/"),
            (&["--request", "hello"], b"HTTP/1.1 400 Bad Request\r\n", "--preset http-get:/"),
            (
                &["--preset", "http-get"],
                b"-ERR wrong number of arguments\r\n",
                "--preset redis-get:echoctl-audit",
            ),
            (&["--preset", "raw"], b"ERROR\r\n", r"--request 'stats\r\n'"),
        ] {
            let (command, is_other) = suggested(options, answer);

            assert!(command.contains(expected) && is_other, "{options:?}: {command}");
        }
        assert_eq!(suggested(&[], b"\x15\x03\x03\x00\x02\x02\x46"), (String::new(), true));
    }

    #[test]
    fn a_refused_http_request_needs_another_path_or_credentials() {
        for options in [&["--preset", "http-get"][..], &["--request", r"GET / HTTP/1.1\r\n\r\n"]] {
            let (missing, is_other) = suggested(options, b"HTTP/1.1 404 Not Found\r\n");
            let (unauthorized, _) = suggested(options, b"HTTP/1.1 401 Unauthorized\r\n");

            assert!(missing.contains("--preset http-get:/PATH") && !is_other, "{missing}");
            assert!(unauthorized.contains("Authorization: CREDENTIALS"), "{unauthorized}");
            assert_eq!(after(options, b"HTTP/1.1 200 OK\r\n"), None);
        }
    }

    #[test]
    fn an_answer_that_fits_or_is_unknown_suggests_nothing() {
        assert_eq!(after(&["--preset", "redis-get:k"], b"-ERR no\r\n"), None);
        assert_eq!(after(&[], b"hello"), None);
    }
}

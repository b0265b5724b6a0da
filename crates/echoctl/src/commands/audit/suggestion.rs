//! What to send instead to a server that did not understand the audit, by the protocol of its answer.

use echoctl_audit::{Error, Http2Error, Preset, Protocol, TlsError, Transport};
use echoctl_verdict::Advice;

use super::alternative;
use super::answer::Answer;
use super::chosen::{Chosen, Source};
use super::refused;

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
        let from_answer = match answer {
            Some(answer) => Suggestion::after(answer, sent),
            None => Suggestion::without_answer(advice, sent),
        };
        from_answer
            .or_else(|| Suggestion::for_a_feed(advice, sent))
            .unwrap_or_else(|| Suggestion::phrase(sent.advice(advice)))
    }

    /// What to send to a server that gave this answer to something else; `None` if that fits its protocol.
    pub(super) fn after(answer: &Answer, sent: &Chosen) -> Option<Suggestion> {
        match answer.protocol? {
            Protocol::Http2 if sent.is_http2() => {
                refused::for_line(&answer.line, sent).map(Suggestion::remedy)
            }
            Protocol::Http if sent.fits(Protocol::Http) => {
                refused::for_status(status(&answer.line)?, sent).map(Suggestion::remedy)
            }
            Protocol::WebSocketClose => Some(Suggestion::for_close(answer, sent)),
            protocol if sent.fits(protocol) => None,
            protocol => Some(Suggestion::for_protocol(protocol, sent)),
        }
    }

    /// For a server with which no session of TLS or HTTP/2 could be begun.
    pub(super) fn without_session(error: &Error, sent: &Chosen) -> Option<Suggestion> {
        let is_http1 =
            |answer: &str| Answer::of(answer).is_some_and(|answer| answer.protocol == Some(Protocol::Http));
        let is_tls =
            |answer: &str| Answer::of(answer).is_some_and(|answer| answer.protocol == Some(Protocol::Tls));
        let (what, command) = match error {
            Error::Tls(TlsError::NotTls(answer)) if is_http1(answer) => {
                ("the server speaks plain HTTP", alternative::without_tls(sent))
            }
            Error::Tls(TlsError::NotTls(_)) => ("leave out TLS", alternative::without_tls(sent)),
            Error::Tls(TlsError::NoHttp2(_)) => ("request it over HTTP/1.1", alternative::over_http1(sent)),
            Error::Tls(TlsError::Alert(reason)) if reason == NO_COMMON_PROTOCOL && sent.is_http2() => {
                ("request it over HTTP/1.1", alternative::over_http1(sent))
            }
            Error::Http2(Http2Error::NotHttp2(answer)) if is_tls(answer) => {
                ("connect to it over TLS", alternative::over_tls(sent))
            }
            Error::Http2(Http2Error::NotHttp2(answer)) if is_http1(answer) => {
                ("request it over HTTP/1.1", alternative::over_http1(sent))
            }
            Error::Http2(Http2Error::Closed) if sent.transport() != Some(Transport::Tls) => {
                ("if the server expects TLS", alternative::over_tls(sent))
            }
            _ => return None,
        };
        Some(Suggestion { what: what.to_owned(), command, is_other_protocol: false })
    }

    /// A phrase on its own.
    fn phrase(what: impl Into<String>) -> Suggestion {
        Suggestion { what: what.into(), command: None, is_other_protocol: false }
    }

    /// For a server whose answer is typical of `protocol`, and which was sent something else.
    fn for_protocol(protocol: Protocol, sent: &Chosen) -> Suggestion {
        let (what, command) = match protocol {
            Protocol::Tls => ("connect to it over TLS", alternative::over_tls(sent)),
            Protocol::Http2 => (
                "send a request over HTTP/2, or a call over gRPC (--grpc /package.Service/Method)",
                alternative::over_http2(sent),
            ),
            protocol => match stimulus(protocol) {
                Ok((what, options)) => (what, alternative::with_stimulus(sent, protocol, options)),
                Err(what) => (what, None),
            },
        };
        Suggestion { what: what.to_owned(), command, is_other_protocol: true }
    }

    /// For a server that sends over a WebSocket without being asked.
    fn for_a_feed(advice: Advice, sent: &Chosen) -> Option<Suggestion> {
        let Source::Preset(Preset::WebSocket(path) | Preset::WebSocketText(path)) = &sent.source else {
            return None;
        };
        (advice == Advice::AuditWhatItSends).then(|| Suggestion {
            what: "audit what the server sends by itself".to_owned(),
            command: Some(alternative::with_preset(sent, &format!("websocket-receive:{path}"))),
            is_other_protocol: false,
        })
    }

    /// For a server that closed the connection silently, as one of TLS does.
    fn without_answer(advice: Advice, sent: &Chosen) -> Option<Suggestion> {
        let is_plain = sent.to.scheme().is_some_and(|scheme| !scheme.is_tls());
        let command =
            alternative::over_tls(sent).filter(|_| is_plain && advice == Advice::UseServersProtocol)?;
        let what = "if the server expects TLS".to_owned();
        Some(Suggestion { what, command: Some(command), is_other_protocol: false })
    }

    /// For a server that closed the WebSocket.
    fn for_close(answer: &Answer, sent: &Chosen) -> Suggestion {
        match &sent.source {
            Source::Preset(Preset::WebSocket(path)) if answer.close_code() == Some(UNSUPPORTED_DATA) => {
                let preset = format!("websocket-text:{path}");
                let command = Some(alternative::with_preset(sent, &preset));
                let what = "send text messages, since the server accepts no others".to_owned();
                Suggestion { what, command, is_other_protocol: false }
            }
            _ if answer.close_code().is_some_and(|code| UNAUTHORIZED.contains(&code)) => {
                Suggestion::remedy(refused::credentials(sent))
            }
            Source::Preset(_) => Suggestion {
                what: "send a message that the server accepts, in place of MESSAGE; perhaps a smaller one"
                    .to_owned(),
                command: Some(alternative::with_message(sent)),
                is_other_protocol: false,
            },
            _ => Suggestion::phrase(
                "edit the messages of the script: the server closed the WebSocket because of them",
            ),
        }
    }

    /// At the same server, what it refused.
    fn remedy((what, command): refused::Remedy) -> Suggestion {
        Suggestion { what: what.to_owned(), command, is_other_protocol: false }
    }

    /// The phrase and the command as one line.
    pub(super) fn line(&self) -> String {
        match &self.command {
            Some(command) => format!("{}: {command}", self.what),
            None => self.what.clone(),
        }
    }
}

/// The status in the first line of a response over HTTP/1.1.
fn status(line: &str) -> Option<u16> {
    line.split_whitespace().nth(1)?.parse().ok()
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
        Protocol::Tls | Protocol::Http2 | Protocol::WebSocketClose => return Err(request),
    })
}

/// The alert of a server that speaks none of the protocols that were offered inside TLS.
const NO_COMMON_PROTOCOL: &str = "no application protocol";

/// The code with which a WebSocket is closed for a kind of message that is not accepted (RFC 6455, section 7.4.1).
const UNSUPPORTED_DATA: u16 = 1003;

/// The codes with which a WebSocket is closed for lack of credentials: of the standard and its registry, and usual ones of applications.
const UNAUTHORIZED: [u16; 6] = [3000, 3003, 4001, 4003, 4401, 4403];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::audit::args::Args;

    fn after(options: &[&str], answer: &[u8]) -> Option<Suggestion> {
        let args = Args::of(options);
        let sent = args.stimulus.chosen(&args.destination().unwrap(), args.start()).unwrap();
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
    }

    /// What a server of TLS answers to anything else, and one of HTTP/2.
    const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x46";
    const SETTINGS: &[u8] = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00";

    #[test]
    fn a_server_of_tls_or_http2_gets_a_url() {
        for (options, answer, end) in [
            (&["8443"][..], ALERT, "https://localhost:8443/"),
            (&["http://h/a"], ALERT, "https://h:80/a"),
            (&["ws://h:1/a"], ALERT, "wss://h:1/a"),
            (&["h2c://h:1/a"], ALERT, "--http2 https://h:1/a"),
            (&["127.0.0.1:1", "--preset", "sse:/a"], ALERT, "https://127.0.0.1:1"),
            (&["h:1", "--preset", "websocket:/a"], ALERT, "wss://h:1"),
            (&["h:1", "--preset", "redis-get:k"], ALERT, "tls://h:1"),
            (&["redis://h/k"], ALERT, "--preset redis-get:k tls://h:6379"),
            (&["h:1", "--request", "x"], ALERT, "tls://h:1"),
            (&["h:1", "--grpc", "/s.S/M"], ALERT, "grpcs://h:1"),
            (&["--", "node"], ALERT, "'https://localhost:{port}/'"),
            (&["8080"], SETTINGS, "h2c://localhost:8080/"),
            (&["http://h:1/a"], SETTINGS, "h2c://h:1/a"),
            (&["https://h:1/a"], SETTINGS, "--http2 https://h:1/a"),
            (&["unix:/run/x", "--preset", "sse:/a"], SETTINGS, "--preset http2-get:/a"),
            (&["h2c://h:1/a"], b"HTTP/1.1 400 Bad Request\r\n", "http://h:1/a"),
        ] {
            let (command, is_other) = suggested(options, answer);

            assert!(command.ends_with(end) && is_other, "{options:?}: {command}");
        }
        assert_eq!(
            suggested(&["unix:/run/x"], ALERT),
            (String::new(), true),
            "TLS over Unix sockets is not supported"
        );
    }

    #[test]
    fn without_a_session_the_url_is_another() {
        let suggested = |options: &[&str], error: &Error| {
            let args = Args::of(options);
            let sent = args.stimulus.chosen(&args.destination().unwrap(), args.start()).unwrap();
            Suggestion::without_session(error, &sent)
                .and_then(|suggestion| suggestion.command)
                .unwrap_or_default()
        };
        let answer = || "HTTP/1.1 400 Bad Request".to_owned();
        let plain = Error::Tls(TlsError::NotTls(answer()));
        let no_http2 = Error::Tls(TlsError::NoHttp2(None));
        let alert = Error::Tls(TlsError::Alert(NO_COMMON_PROTOCOL.to_owned()));
        let http1 = Error::Http2(Http2Error::NotHttp2(answer()));
        let closed = Error::Http2(Http2Error::Closed);

        for (options, error, end) in [
            (&["https://h:1/a"][..], &plain, "http://h:1/a"),
            (&["https://h/a"], &plain, "http://h:443/a"),
            (&["https://h:1/a", "--http2"], &plain, "h2c://h:1/a"),
            (&["wss://h:1/a"], &plain, "ws://h:1/a"),
            (&["tls://h:1"], &plain, "h:1"),
            (&["https://h:1/a", "--http2"], &no_http2, "https://h:1/a"),
            (&["https://h:1/a", "--http2"], &alert, "https://h:1/a"),
            (&["wss://h:1/a"], &alert, ""),
            (&["grpcs://h:1/s.S/M"], &no_http2, ""),
            (&["h2c://h:1/a"], &http1, "http://h:1/a"),
            (&["h:1", "--preset", "http2-get:/a"], &http1, "http://h:1/a"),
            (&["h2c://h:1/a"], &closed, "--http2 https://h:1/a"),
            (&["grpc://h:1/s.S/M"], &closed, "grpcs://h:1/s.S/M"),
        ] {
            let command = suggested(options, error);
            assert!(
                command.ends_with(end) && (end.is_empty() == command.is_empty()),
                "{options:?}: {command}"
            );
        }
    }

    #[test]
    fn a_websocket_for_text_only_gets_text() {
        let (command, is_other) = suggested(&["wss://h:1/chat"], b"\x88\x0b\x03\xebtext only");
        assert!(command.contains("--preset websocket-text:/chat") && !is_other, "{command}");

        for (options, close, end) in [
            (&["wss://h:1/chat"][..], &b"\x88\x02\x03\xf1"[..], "--message MESSAGE --repeat"),
            (&["h:1", "--preset", "websocket"], b"\x88\x02\x03\xef", "--message MESSAGE"),
            (&["ws://h:1/chat"], b"\x88\x02\x0f\xa1", "--header 'Authorization: CREDENTIALS'"),
        ] {
            let (command, _) = suggested(options, close);
            assert!(command.ends_with(end), "{options:?}: {command}");
        }
    }

    #[test]
    fn a_websocket_that_sends_by_itself_is_only_received() {
        let args = Args::of(&["ws://h:1/feed"]);
        let sent = args.stimulus.chosen(&args.destination().unwrap(), args.start()).unwrap();
        let command = Suggestion::new(Advice::AuditWhatItSends, None, &sent).command.unwrap();

        assert!(
            command.contains("--preset websocket-receive:/feed") && command.ends_with("ws://h:1"),
            "{command}"
        );
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

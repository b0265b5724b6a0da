//! What to send instead to a server that understood its request and refused it: by the status over HTTP, or of a call over gRPC.

use echoctl_audit::GRPC_STATUS;

use super::alternative;
use super::answer::HTTP2_STATUS;
use super::chosen::{Chosen, Source};

/// What to do, and the command for it, if there is one.
pub(super) type Remedy = (&'static str, Option<String>);

/// For a server that answered a request over HTTP with this status; `None` if that refuses nothing.
pub(super) fn for_status(status: u16, sent: &Chosen) -> Option<Remedy> {
    let at_path = |what| Some((what, Some(alternative::at_path(sent, "/PATH"))));
    match (status, &sent.source) {
        (401 | 403 | 407, _) => Some(credentials(sent)),
        (300.., Source::Call(_)) => {
            Some(("check that a gRPC server listens there: it answered as for HTTP", None))
        }
        (300..=399, _) => {
            at_path("give the path to which the server redirects in place of PATH; curl -i prints it")
        }
        (405, Source::Preset(_)) => {
            let body = Some(alternative::with_more(&["--body", "BODY"]));
            Some(("send a POST, with a body that the server accepts in place of BODY", body))
        }
        (400 | 411 | 415 | 422, Source::Preset(_)) => at_path(
            "complete the request with --header or --body, or give the path of a large or endless reply in place of PATH",
        ),
        (429, _) => Some(("wait, or raise the server's limit on the rate of requests", None)),
        (400..=499, _) => at_path("give the path of a large or endless reply in place of PATH"),
        (500..=599, _) => at_path(
            "look into the log of the server, which failed; or give the path of a large or endless reply in place of PATH",
        ),
        _ => None,
    }
}

/// For a server that answered over HTTP/2 with this line: the status of a request, or that of a call over gRPC.
pub(super) fn for_line(line: &str, sent: &Chosen) -> Option<Remedy> {
    if let Some(status) = line.strip_prefix(HTTP2_STATUS) {
        return for_status(status.parse().ok()?, sent);
    }
    let code = line.strip_prefix(GRPC_STATUS)?.split(':').next()?;
    Some(match code {
        UNAUTHENTICATED | PERMISSION_DENIED => credentials(sent),
        INVALID_ARGUMENT | INTERNAL if !sent.has_message() => {
            let message = Some(alternative::with_more(&["--message", "@request.bin"]));
            ("send the message of the call, encoded, from a file in place of request.bin", message)
        }
        INVALID_ARGUMENT => ("check the message of the call, which the server refuses", None),
        UNIMPLEMENTED => ("check the name of the method, which the server does not have", None),
        _ => ("look into the log of the server, at which the call failed", None),
    })
}

/// For a server that asks for credentials.
pub(super) fn credentials(sent: &Chosen) -> Remedy {
    let command = Some(alternative::with_credentials(sent));
    ("send the credentials that the server asks for, in place of CREDENTIALS", command)
}

/// Codes of gRPC.
const INVALID_ARGUMENT: &str = "3";
const PERMISSION_DENIED: &str = "7";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";
const UNAUTHENTICATED: &str = "16";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::audit::args::Args;

    fn sent(options: &[&str]) -> Chosen {
        let args = Args::of(options);
        args.stimulus.chosen(&args.destination().unwrap(), args.start()).unwrap()
    }

    #[test]
    fn a_status_of_http_says_what_is_missing() {
        for (status, what, end) in [
            (302, "redirects", "http://h:1/PATH"),
            (401, "credentials", "--header 'Authorization: CREDENTIALS'"),
            (404, "path", "http://h:1/PATH"),
            (405, "POST", "--body BODY"),
            (415, "--header", "http://h:1/PATH"),
            (502, "log", "http://h:1/PATH"),
        ] {
            let (said, command) = for_status(status, &sent(&["http://h:1/a"])).unwrap();
            assert!(said.contains(what) && command.unwrap().ends_with(end), "{status}: {said}");
        }
        assert_eq!(for_status(200, &sent(&["http://h:1/a"])), None);
    }

    #[test]
    fn a_status_over_http2_keeps_the_protocol() {
        for (options, end) in [
            (&["h2c://h:1/a"][..], "h2c://h:1/PATH"),
            (&["h:1", "--preset", "http2-get:/a"], "--preset http2-get:/PATH"),
        ] {
            let (_, command) = for_line("HTTP/2 404", &sent(options)).unwrap();
            assert!(command.as_ref().is_some_and(|command| command.ends_with(end)), "{command:?}");
        }
    }

    #[test]
    fn a_failed_call_says_what_it_lacks() {
        for (line, what) in [
            ("gRPC status 16: token missing", "credentials"),
            ("gRPC status 12: Method not found!", "name of the method"),
            ("gRPC status 3: empty request", "from a file"),
            ("gRPC status 14", "log"),
        ] {
            let (said, _) = for_line(line, &sent(&["grpc://h:1", "--grpc", "/s.S/M"])).unwrap();
            assert!(said.contains(what), "{line}: {said}");
        }
        let with_message = sent(&["grpc://h:1", "--grpc", "/s.S/M", "--message", "x"]);
        assert!(for_line("gRPC status 3: no", &with_message).unwrap().0.contains("refuses"));
    }
}

//! What the options and the URL choose.

use echoctl_audit::{Error, StepFailure, Transport};

use crate::commands::audit::args::Args;

use super::*;

fn chosen(words: &[&str]) -> Result<Chosen, Failure> {
    let args = Args::of(words);
    args.stimulus.chosen(&args.destination()?, args.start())
}

fn script(words: &[&str]) -> Script {
    chosen(words).unwrap().script("host:1")
}

#[test]
fn a_url_chooses_what_is_sent() {
    for (words, name, transport, alpn) in [
        (&["http://h/a?b"][..], "http-get:/a?b", Transport::Tcp, ""),
        (&["https://h"], "http-get:/", Transport::Tls, "http/1.1"),
        (&["https://h/a", "--http2"], "http2-get:/a", Transport::Tls, "h2"),
        (&["h2c://h/a"], "http2-get:/a", Transport::Tcp, ""),
        (&["ws://h/chat"], "websocket:/chat", Transport::Tcp, ""),
        (&["wss://h/chat", "--preset", "websocket-text"], "websocket-text:/chat", Transport::Tls, "http/1.1"),
        (
            &["wss://h", "--preset", "websocket-text:/chat"],
            "websocket-text:/chat",
            Transport::Tls,
            "http/1.1",
        ),
        (&["ws://h/feed", "--message", "x"], "websocket-receive:/feed", Transport::Tcp, ""),
        (&["ws://h/chat", "--message", "x", "--repeat"], "websocket-text:/chat", Transport::Tcp, ""),
        (&["ws://h/chat", "--message", "x", "--preset", "websocket"], "websocket:/chat", Transport::Tcp, ""),
        (&["grpcs://h/s.S/M"], "grpc:/s.S/M", Transport::Tls, "h2"),
        (&["grpc://h", "--grpc", "/s.S/M"], "grpc:/s.S/M", Transport::Tcp, ""),
        (&["redis://h/user:7"], "redis-get:user:7", Transport::Tcp, ""),
        (&["tls://h:1"], "echo", Transport::Tls, ""),
        (&["tls://h:1", "--preset", "redis-get:k"], "redis-get:k", Transport::Tls, ""),
        (&["unix:/run/x", "--preset", "sse:/a"], "sse:/a", Transport::Unix, ""),
    ] {
        let chosen = chosen(words).unwrap();
        let script = chosen.script("host:1");

        assert_eq!((chosen.name().as_str(), script.transport), (name, Some(transport)), "{words:?}");
        assert_eq!(script.alpn.join(","), alpn, "{words:?}");
        assert_eq!(script.check().map_err(|error| error.to_string()), Ok(()), "{words:?}");
    }
    assert_eq!(script(&["h:1", "--preset", "http2-get"]).transport, None);
}

#[test]
fn options_of_http_reach_the_script() {
    let once = script(&[
        "h2c://h/a",
        "--header",
        "Accept: x",
        "--header",
        "host: other",
        "--body",
        "b",
        "--streams",
        "3",
    ]);
    let http2 = once.http2.unwrap();
    assert_eq!((http2.method.as_str(), http2.authority.as_str(), http2.streams), ("POST", "other", 3));
    assert_eq!(http2.headers, [("Accept".to_owned(), "x".to_owned())]);
    assert_eq!(http2.body.unwrap().bytes(), b"b");

    let repeated = script(&["h:1", "--preset", "http2-post:/up", "--body", "b", "--stall", "window-stream"]);
    assert_eq!(repeated.http2.unwrap().stall.map(echoctl_audit::Stall::name), Some("window-stream"));
    let SendMode::Repeat(body) = repeated.stimulus.send else { panic!("repeat") };
    assert_eq!(body.bytes(), b"b");

    let call =
        script(&["grpc://h:1", "--grpc", "/s.S/M", "--message", r"\x0a\x00", "--repeat", "--header", "a: b"]);
    let grpc = call.grpc.unwrap();
    assert_eq!((grpc.message.bytes(), grpc.repeat), (vec![10, 0], true));
    assert_eq!(call.http2.unwrap().authority, "host:1");

    let subscribe = script(&["ws://h/feed", "--message", "{}"]);
    let SendMode::Once(first) = subscribe.stimulus.send else { panic!("once") };
    assert_eq!(first.bytes(), b"\x81\x82\0\0\0\0{}");

    let post = script(&["http://h/a", "--body", "b", "--header", "Content-Type: text/plain"]);
    let SendMode::Once(request) = post.stimulus.send else { panic!("once") };
    let expected =
        b"POST /a HTTP/1.1\r\nHost: host:1\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\nb";
    assert_eq!(request.bytes(), expected);
}

#[test]
fn a_script_and_its_address_agree_on_the_transport() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = |script: &str, addr: &str| {
        std::fs::write(file.path(), script).unwrap();
        let chosen = chosen(&["--script", file.path().to_str().unwrap(), addr]);
        chosen.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let tls = "transport = \"tls\"\nalpn = [\"x\"]\n[stimulus]\nonce = []\n";
    let offered = "alpn = [\"x\"]\n[stimulus]\nonce = []\n";
    let unix = "transport = \"unix\"\n[stimulus]\nonce = []\n";

    for (script, addr) in [(tls, "h:1"), (tls, "tls://h:1"), (offered, "tls://h:1"), (unix, "unix:/run/x")] {
        assert_eq!(error(script, addr), "", "{script} at {addr}");
    }
    assert!(error(tls, "http://h:1").contains("is not that of the address"));
    assert!(error(offered, "h:1").contains("'alpn' of the script has no effect without TLS"));
    assert!(error(offered, "http://h:1").contains("'alpn' needs transport = \"tls\""));
    assert!(error(unix, "h:1").contains("needs a Unix socket"));
}

#[test]
fn a_text_in_place_of_a_list_of_parts_has_a_hint() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = |script: &str| {
        std::fs::write(file.path(), script).unwrap();
        chosen(&["--script", file.path().to_str().unwrap()]).unwrap_err().to_string()
    };

    assert!(error("[[setup]]\nsend = \"AUTH x\"\n[stimulus]\nonce = []\n").contains("hint: what is sent"));
    assert!(!error("setup = 3\n").contains("hint:"));
}

#[test]
fn a_server_that_wants_a_login_has_a_hint() {
    let hint = |words: &[&str], received: &str| {
        let failure = StepFailure::Closed { expected: String::new(), received: format!("\"{received}\"") };
        let error = Error::Step { step: "setup, step 1".to_owned(), failure };
        chosen(words).unwrap().failure(error).to_string()
    };

    let redis = ["redis://h/k"];
    assert!(hint(&redis, r"-NOAUTH Authentication required.\r\n").contains("AUTH PASSWORD"));
    assert!(hint(&redis, r"-ERR Protocol error: unauthenticated bulk length\r\n").contains("AUTH PASSWORD"));
    assert!(!hint(&redis, r"-ERR no such command\r\n").contains("AUTH PASSWORD"));
    let unauthorized = hint(&["ws://h/chat"], r"HTTP/1.1 401 Unauthorized\r\n");
    assert!(unauthorized.contains("Authorization: CREDENTIALS"), "{unauthorized}");
    assert!(hint(&["ws://h/chat"], r"HTTP/1.1 404 Not Found\r\n").contains("speaks WebSocket at /chat"));
}

#[test]
fn options_without_effect_are_refused() {
    for (words, part) in [
        (&["--header", "a: b"][..], "--header has no effect without a request over HTTP"),
        (&["--preset", "redis-get:k", "--body", "x"], "--body has no effect without a request over HTTP"),
        (&["ws://h/", "--body", "x"], "--body has no effect"),
        (&["http://h/", "--http2"], "--http2 has no effect without an https:// URL"),
        (&["http://h/", "--streams", "2"], "--streams has no effect without HTTP/2"),
        (&["h:1", "--stall", "tcp"], "--stall has no effect without HTTP/2"),
        (&["h2c://h/", "--message", "x"], "--message has no effect without --grpc or a WebSocket"),
        (&["http://h/", "--message", "x"], "--message has no effect without --grpc or a WebSocket"),
        (&["--once"], "--once has no effect without --request"),
        (&["h2c://h/", "--repeat"], "--repeat has no effect without --request, --grpc, or a ws://"),
        (
            &["ws://h/", "--repeat"],
            "--repeat has no effect without --request, --grpc, or a ws:// URL and --message",
        ),
        (&["http://h/a", "--preset", "sse:/b"], "the path /a of the URL has no effect with --preset sse:/b"),
        (&["http://h/a", "--preset", "echo"], "the path /a of the URL has no effect with --preset echo"),
        (&["http://h/a", "--request", "x"], "the path /a of the URL has no effect with --request"),
        (&["tls://h:1/a"], "the path /a of the URL has no effect with the preset echo"),
        (&["grpc://h/s.S/M", "--grpc", "/s.S/M"], "has no effect with --grpc"),
        (&["ws://h", "--grpc", "/s.S/M"], "--grpc has no effect with ws://"),
        (&["grpc://h"], "needs a method to call"),
        (&["grpc://h/M"], "method /M: expected /package.Service/Method"),
        (&["grpc://h", "--grpc", "s.S.M"], "method s.S.M: expected /package.Service/Method"),
        (&["redis://h"], "redis:// needs a key"),
        (&["h2c://h", "--preset", "sse"], "preset sse:/ is not HTTP/2"),
        (&["h2c://h", "--header", "Connection: close"], "'Connection': expected"),
    ] {
        let error = chosen(words).unwrap_err().to_string();
        assert!(error.contains(part), "{words:?}: {error}");
    }
}

//! Valid and invalid scripts.

use super::*;

const REDIS: &str = r#"
about = "pubsub"
[[setup]]
send = [{ text = "SUBSCRIBE c\r\n" }]
expect = [{ text = "subscribe" }]
[publisher]
[stimulus]
kind = "publish"
repeat = [{ text = "PUBLISH c " }, { fill = "x", count = 16 }, { text = "\r\n" }]
"#;

#[test]
fn toml_and_json_are_equivalent() {
    let toml = Script::from_toml(REDIS).unwrap();
    let json = Script::from_json(&serde_json::to_string(&toml).unwrap()).unwrap();

    assert_eq!(toml, json);
    assert!(toml.publisher.is_some() && toml.setup.len() == 1);
    let SendMode::Repeat(payload) = toml.stimulus.send else { panic!("repeat") };
    assert_eq!(payload.bytes(), b"PUBLISH c xxxxxxxxxxxxxxxx\r\n");
}

#[test]
fn a_script_printed_as_toml_is_read_back() {
    let script = Script::from_toml(REDIS).unwrap();
    assert_eq!(Script::from_toml(&script.to_toml()).unwrap(), script);
}

#[test]
fn errors_name_the_line_and_the_field() {
    let toml = Script::from_toml("[stimulus]\nrepeat = [\n  { text = \"x\" },\n  { hxe = \"00\" },\n]")
        .unwrap_err()
        .to_string();
    assert!(toml.contains("line 4") && toml.contains("hxe"), "{toml}");

    let json =
        Script::from_json("{\n\"stimulus\": {\"repeat\": [],\n \"once\": []}}").unwrap_err().to_string();
    assert!(json.contains("line 3") && json.contains("'stimulus'"), "{json}");

    let missing = Script::from_json("{}").unwrap_err().to_string();
    assert!(missing.contains("stimulus"), "{missing}");
}

#[test]
fn files_are_read_from_beside_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    std::fs::write(folder.path().join("body"), b"\x00body").unwrap();
    std::fs::write(&path, "[stimulus]\nonce = [{ file = \"body\" }]").unwrap();

    let SendMode::Once(payload) = Script::read(&path).unwrap().stimulus.send else { panic!("once") };
    assert_eq!(payload.bytes(), b"\x00body");

    std::fs::write(&path, "[stimulus]\nonce = [{ file = \"gone\" }]").unwrap();
    let error = Script::read(&path).unwrap_err().to_string();
    assert!(error.contains("script.toml") && error.contains("'gone'"), "{error}");
}

#[test]
fn empty_steps_and_stimuli_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.json");
    for (text, part) in [
        (r#"{"setup":[{}],"stimulus":{"repeat":[{"text":"x"}]}}"#, "setup[0]: a step needs"),
        (r#"{"stimulus":{"repeat":[]}}"#, "'repeat' is empty"),
        (r#"{"setup":[{"expect":[]}],"stimulus":{"once":[]}}"#, "field 'expect' is empty"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Script::read(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{text} gave: {error}");
    }
}

#[test]
fn an_endless_file_is_refused() {
    let error = Script::read(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(error.contains("larger than 8 MiB"), "{error}");
}

#[test]
fn the_files_of_a_script_are_bounded_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    // A sparse file: 40 MiB that use no disk space.
    std::fs::File::create(folder.path().join("body")).unwrap().set_len(40 << 20).unwrap();
    let step = "[[prepare]]\nsend = [{ file = \"body\" }]\n";
    std::fs::write(&path, format!("{}[stimulus]\nonce = []\n", step.repeat(7))).unwrap();

    let error = Script::read(&path).unwrap_err().to_string();

    assert!(error.contains("prepare[6]") && error.contains("larger than 16 MiB"), "{error}");
}

#[test]
fn an_endless_request_is_refused() {
    let error = Payload::read(Path::new("/dev/zero")).unwrap_err().to_string();
    assert!(error.contains("larger than 64 MiB"), "{error}");
}

/// Scripts over HTTP/2 and gRPC, each with a field of its own.
const OVER_HTTP2: [&str; 6] = [
    r#"{"transport":"tls","alpn":["h2"],"http2":{"method":"GET","path":"/timer","authority":"localhost","streams":10,
        "stall":"window","initial_window":0},"stimulus":{"kind":"10 requests"}}"#,
    r#"{"http2":{"path":"/timer","stall":"window-stream","probe":"/small"},"stimulus":{}}"#,
    r#"{"http2":{"method":"POST","path":"/echo","headers":[["accept","*/*"]]},"echo":true,"stimulus":{"repeat":[{"text":"x"}]}}"#,
    r#"{"transport":"tls","http2":{"stall":"tcp","flood":"ping"},"stimulus":{"once":[]}}"#,
    r#"{"transport":"unix","http2":{"method":"PUT","body":[{"text":"x"}]},"stimulus":{}}"#,
    r#"{"http2":{"authority":"localhost"},"grpc":{"path":"/s.S/Echo","message":[{"fill":"x","count":7}],"repeat":true},
        "stimulus":{"kind":"messages"}}"#,
];

#[test]
fn scripts_over_http2_are_printed_and_read_back() {
    for json in OVER_HTTP2 {
        let script = Script::from_json(json).unwrap();

        let (as_toml, as_json) = (script.to_toml(), serde_json::to_string(&script).unwrap());

        assert_eq!(Script::from_toml(&as_toml).unwrap(), script, "{as_toml}");
        assert_eq!(Script::from_json(&as_json).unwrap(), script, "{as_json}");
    }
}

#[test]
fn a_stall_may_be_spelled_as_its_option_is() {
    for name in ["window_stream", "window-stream"] {
        let script = format!(r#"{{"http2":{{"stall":"{name}"}},"stimulus":{{}}}}"#);

        let http2 = Script::from_json(&script).unwrap().http2.unwrap();

        assert_eq!(http2.stall, Some(Stall::WindowStream), "{name}");
    }
}

#[test]
fn what_is_not_stated_over_http2_has_a_default() {
    let script = Script::from_json(r#"{"http2":{},"stimulus":{}}"#).unwrap();

    assert_eq!(script.http2, Some(Http2::default()));
    assert_eq!(script.stimulus.send, SendMode::Once(Payload::default()));
}

#[test]
fn a_script_over_http2_names_the_field_at_fault() {
    for (text, part) in [
        (r#"{"stimulus":{}}"#, "'stimulus' needs exactly one of"),
        (r#"{"http2":{},"stimulus":{"once":[{"text":"x"}]}}"#, "'once' has no effect with 'http2'"),
        (
            r#"{"http2":{"flood":"ping"},"stimulus":{"repeat":[{"text":"x"}]}}"#,
            "'repeat' has no effect with 'flood'",
        ),
        (
            r#"{"http2":{"body":[]},"stimulus":{"repeat":[{"text":"x"}]}}"#,
            "'body' has no effect with 'repeat'",
        ),
        (
            r#"{"http2":{"flood":"ping","body":[]},"stimulus":{}}"#,
            "http2: field 'body' has no effect with 'flood'",
        ),
        (r#"{"http2":{"streams":2},"echo":true,"stimulus":{}}"#, "'echo' has no effect with 'streams'"),
        (
            r#"{"http2":{},"setup":[{"expect":[{"text":"x"}]}],"stimulus":{}}"#,
            "'setup' has no effect with 'http2'",
        ),
        (r#"{"http2":{},"publisher":{},"stimulus":{}}"#, "'publisher' has no effect with 'http2'"),
        (r#"{"http2":{},"bystander":{},"stimulus":{}}"#, "'bystander' has no effect with 'http2'"),
        (r#"{"http2":{"method":"GET /"},"stimulus":{}}"#, "http2: field 'method': expected"),
        (r#"{"http2":{"path":"x"},"stimulus":{}}"#, "http2: field 'path': expected"),
        (r#"{"http2":{"path":"/a b"},"stimulus":{}}"#, "http2: field 'path': expected"),
        (r#"{"http2":{"authority":""},"stimulus":{}}"#, "http2: field 'authority': expected"),
        (r#"{"http2":{"headers":[["a\r\nb","c"]]},"stimulus":{}}"#, r"field 'headers': 'a\r\nb': expected"),
        (r#"{"http2":{"headers":[["a","b\r\nc"]]},"stimulus":{}}"#, "field 'headers': 'a': expected"),
        (r#"{"http2":{"headers":[["Host","a"]]},"stimulus":{}}"#, "field 'headers': 'Host': expected"),
        (r#"{"http2":{"streams":0},"stimulus":{}}"#, "http2: field 'streams': expected"),
        (r#"{"http2":{"initial_window":2147483648},"stimulus":{}}"#, "http2: field 'initial_window'"),
        (r#"{"http2":{"stall":"udp"},"stimulus":{}}"#, "unknown variant `udp`"),
        (r#"{"http2":{"flood":"data"},"stimulus":{}}"#, "unknown variant `data`"),
        (r#"{"http2":{"probe":"/"},"stimulus":{}}"#, r#"'probe' needs stall = "window_stream""#),
        (r#"{"http2":{"steams":1},"stimulus":{}}"#, "unknown field `steams`"),
        (r#"{"transport":"udp","stimulus":{"once":[]}}"#, "unknown variant `udp`"),
        (r#"{"transport":"tcp","alpn":["h2"],"stimulus":{"once":[]}}"#, r#"'alpn' needs transport = "tls""#),
        (r#"{"alpn":["http/1.1"],"http2":{},"stimulus":{}}"#, r#"field 'alpn': expected "h2""#),
        (r#"{"alpn":[""],"stimulus":{"once":[]}}"#, "field 'alpn': expected names of"),
        (
            r#"{"grpc":{"path":"S/M","message":[]},"stimulus":{}}"#,
            "grpc: field 'path': expected /package.Service/Method",
        ),
        (r#"{"grpc":{"path":"/s.S/M"},"stimulus":{}}"#, "missing field `message`"),
        (
            r#"{"grpc":{"path":"/s.S/M","message":[]},"http2":{"path":"/x"},"stimulus":{}}"#,
            "'path' has no effect with 'grpc'",
        ),
        (
            r#"{"grpc":{"path":"/s.S/M","message":[]},"stimulus":{"repeat":[]}}"#,
            "'repeat' has no effect with 'grpc'",
        ),
    ] {
        let error = Script::from_json(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text} gave: {error}");
    }
}

#[test]
fn files_of_a_body_and_a_message_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.json");
    std::fs::write(folder.path().join("file"), b"1234").unwrap();
    let payload = r#"[{"file":"file"}]"#;

    std::fs::write(&path, format!(r#"{{"http2":{{"body":{payload}}},"stimulus":{{}}}}"#)).unwrap();
    let body = Script::read(&path).unwrap().http2.unwrap().body.unwrap();
    std::fs::write(&path, format!(r#"{{"grpc":{{"path":"/s.S/M","message":{payload}}},"stimulus":{{}}}}"#))
        .unwrap();
    let message = Script::read(&path).unwrap().grpc.unwrap().message;

    assert_eq!((body.bytes(), message.bytes()), (b"1234".to_vec(), b"1234".to_vec()));
}

#[test]
fn a_call_over_grpc_is_a_post_of_prefixed_messages() {
    let lowered = |repeat: bool| {
        let script = Script::from_json(&format!(
            r#"{{"transport":"tls","grpc":{{"path":"/s.S/M","message":[{{"text":"seven b"}}],"repeat":{repeat}}},
                "http2":{{"streams":3,"headers":[["Authorization","X"]]}},"stimulus":{{}}}}"#
        ));
        script.unwrap().lowered()
    };
    let message = b"\0\0\0\0\x07seven b";

    let (once, repeated) = (lowered(false), lowered(true));

    assert_eq!((once.grpc.clone(), once.alpn.clone()), (None, vec!["h2".to_owned()]));
    let http2 = once.http2.unwrap();
    assert_eq!((http2.method.as_str(), http2.path.as_str(), http2.streams), ("POST", "/s.S/M", 3));
    let names: Vec<_> = http2.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", "X")];
    assert_eq!(names, expected);
    assert_eq!(
        (http2.body.unwrap().bytes(), once.stimulus.send),
        (message.to_vec(), SendMode::Once(Payload::default()))
    );
    let SendMode::Repeat(sent) = repeated.stimulus.send else { panic!("repeat") };
    assert_eq!((sent.bytes(), repeated.http2.unwrap().body), (message.to_vec(), None));
}

#[test]
fn only_http2_over_tls_offers_a_protocol_by_itself() {
    let alpn = |text: &str| Script::from_json(text).unwrap().lowered().alpn;

    assert_eq!(alpn(r#"{"transport":"tls","http2":{},"stimulus":{}}"#), ["h2"]);
    assert!(alpn(r#"{"http2":{},"stimulus":{}}"#).is_empty());
    assert!(alpn(r#"{"transport":"tls","stimulus":{"once":[]}}"#).is_empty());
}

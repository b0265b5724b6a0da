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

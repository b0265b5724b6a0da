//! Any bytes as a script in TOML and in JSON give an error of bounded length, or a script that can be printed and read back.

use echoctl_audit::{Payload, Script, ScriptError, SendMode, unescape};

/// Reads `input` as TOML.
pub(crate) fn check_toml(input: &[u8]) {
    check(input, Script::from_toml);
}

/// Reads `input` as JSON.
pub(crate) fn check_json(input: &[u8]) {
    check(input, Script::from_json);
}

/// Reads `input` as a text with escapes.
pub(crate) fn check_escapes(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match unescape(text) {
        Ok(bytes) if text.contains('\\') => assert!(bytes.len() < text.len(), "{text}"),
        Ok(bytes) => assert_eq!(bytes, text.as_bytes()),
        Err(error) => assert!(error.to_string().len() <= text.len() + 100, "{error}"),
    }
}

fn check(input: &[u8], read: fn(&str) -> Result<Script, ScriptError>) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match read(text) {
        Err(error) => {
            let bytes = error.to_string().len();
            assert!(bytes <= 3 * text.len() + 400, "{bytes} bytes of error");
        }
        Ok(script) => {
            check_sizes(&script);
            assert_eq!(Script::from_toml(&script.to_toml()).unwrap(), script, "{text}");
        }
    }
}

/// No payload takes more memory than promised, whatever the script contains.
fn check_sizes(script: &Script) {
    let publisher = script.publisher.iter().flat_map(|publisher| &publisher.setup);
    let steps = script.prepare.iter().chain(&script.setup).chain(publisher).chain(&script.bystander);
    let bodies = script.http2.iter().filter_map(|http2| http2.body.as_ref());
    let messages = script.grpc.iter().map(|grpc| &grpc.message);
    let (SendMode::Repeat(stimulus) | SendMode::Once(stimulus)) = &script.stimulus.send;
    let payloads = steps.flat_map(|step| step.send.iter().chain(&step.expect)).chain([stimulus]);
    let payloads = payloads.chain(bodies).chain(messages);
    assert!(payloads.map(Payload::len).max() <= Some(64 << 20));
    if stimulus.len() <= 1 << 20 {
        assert!(script.stimulus.unit() <= stimulus.bytes().len().max(1) as u64);
    }
}

//! Presets for Redis: replies that are much larger than requests, and messages from another client.
//!
//! An audit may be run on a server with real data, so an existing key is read and never written.

use crate::script::{Part, Payload, Publisher, Script, Step, Stimulus};

/// GETs of a value that is set to 64 KiB if it does not exist: 30 bytes in, 64 KiB out.
pub(super) fn get(key: &str) -> Script {
    // SET with NX answers +OK, or nil if the key exists. GETRANGE then checks that GET returns data: it answers one byte for a
    // string, none for an empty one, and an error for any other type.
    let set = command(&["SET", key], Some(65536), &["NX"]);
    let first_byte = command(&["GETRANGE", key, "0", "0"], None, &[]);
    Script {
        about: Some(format!(
            "GETs of the key '{key}'; if it does not exist, it is first set to 64 KiB of letters (SET NX) and stays; if it exists, \
             it is only read"
        )),
        prepare: vec![Step { send: Some(set), expect: None }, Step::ask(first_byte, Payload::text("$1\r\n"))],
        bystander: Some(ping()),
        ..Script::new(Stimulus::repeat("Redis GETs of one value", command(&["GET", key], None, &[])))
    }
}

/// A subscriber that does not read, and a publisher of messages of 16 KiB.
pub(super) fn subscribe(channel: &str) -> Script {
    let publish = command(&["PUBLISH", channel], Some(16384), &[]);
    Script {
        about: Some(format!(
            "messages of 16 KiB published to the channel '{channel}'; its other subscribers receive them too"
        )),
        setup: vec![Step::ask(command(&["SUBSCRIBE", channel], None, &[]), Payload::text("subscribe"))],
        publisher: Some(Publisher::default()),
        bystander: Some(ping()),
        ..Script::new(Stimulus::repeat("Redis messages of 16 KiB, published by another client", publish))
    }
}

fn ping() -> Step {
    Step::ask(command(&["PING"], None, &[]), Payload::text("+PONG"))
}

/// A command in RESP, an array of bulk strings: `words`, then `fill` bytes of 'x' if any, then `options`.
fn command(words: &[&str], fill: Option<usize>, options: &[&str]) -> Payload {
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    let count = words.len() + usize::from(fill.is_some()) + options.len();
    let before: String = words.iter().map(bulk).collect();
    let after: String = options.iter().map(bulk).collect();
    let Some(fill) = fill else { return Payload::text(format!("*{count}\r\n{before}{after}")) };
    Payload::new(vec![
        Part::Text(format!("*{count}\r\n{before}${fill}\r\n")),
        Part::Fill { fill: "x".to_owned(), count: fill },
        Part::Text(format!("\r\n{after}")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(command(&["GET", "k"], None, &[]).bytes(), b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(
            command(&["SET", "k"], Some(2), &["NX"]).bytes(),
            b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nxx\r\n$2\r\nNX\r\n"
        );
    }

    #[test]
    fn a_value_that_exists_is_never_overwritten() {
        for step in get("k").prepare {
            let sent = String::from_utf8(step.send.unwrap().bytes()).unwrap();

            assert!(!sent.contains("SET\r\n") || sent.ends_with("\r\n$2\r\nNX\r\n"), "{sent}");
        }
    }
}

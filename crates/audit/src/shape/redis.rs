//! Redis shapes: replies much larger than requests, and messages from elsewhere.

use crate::script::{Feeder, Part, Payload, Script, Step, Stimulus};

/// GETs of a 64 KiB value, which is set first: 30 bytes in, 64 KiB out.
pub(super) fn get(key: &str) -> Script {
    let set = command(&["SET", key], Some(65536));
    Script {
        prepare: vec![Step::ask(set, Payload::text("+OK"))],
        bystander: Some(ping()),
        ..Script::new(Stimulus::repeat("Redis GETs of a 64 KiB value", command(&["GET", key], None)))
    }
}

/// A subscriber that does not read, and a publisher of 16 KiB messages.
pub(super) fn subscribe(channel: &str) -> Script {
    let publish = command(&["PUBLISH", channel], Some(16384));
    Script {
        setup: vec![Step::ask(command(&["SUBSCRIBE", channel], None), Payload::text("subscribe"))],
        feeder: Some(Feeder::default()),
        bystander: Some(ping()),
        ..Script::new(Stimulus::repeat("Redis messages of 16 KiB, published by another client", publish))
    }
}

fn ping() -> Step {
    Step::ask(command(&["PING"], None), Payload::text("+PONG"))
}

/// A command in RESP: an array of bulk strings, the last one optionally `fill` bytes of 'x'.
fn command(words: &[&str], fill: Option<usize>) -> Payload {
    let count = words.len() + usize::from(fill.is_some());
    let mut text = format!("*{count}\r\n");
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    let Some(fill) = fill else { return Payload::text(text) };
    text += &format!("${fill}\r\n");
    Payload::new(vec![
        Part::Text(text),
        Part::Fill { fill: "x".to_owned(), count: fill },
        Part::Text("\r\n".to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(command(&["GET", "k"], None).bytes(), b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(command(&["SET", "k"], Some(2)).bytes(), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nxx\r\n");
    }
}

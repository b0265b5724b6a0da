//! Which marks to count in a server's memory: those of the [cells](crate::cell) of a script's payload, or a piece of a reply.

use std::collections::HashMap;

use echoctl_record::Marked;

use crate::cell::{DIGITS, Digits};
use crate::script::{Payload, Script, SendMode};

/// What to count in a server's memory, and what a count of it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Marks {
    /// The bytes to look for.
    pub(crate) needle: Vec<u8>,
    /// For how many bytes of the stream each of them stands, those between two of them included.
    pub(crate) bytes_per_mark: f64,
    /// Whose bytes they are.
    pub(crate) marked: Marked,
}

impl Marks {
    /// The marks of a marked script: of its stimulus or the body of its requests, or else of what it stores in the server, which the
    /// output then contains.
    pub(crate) fn of_script(script: &Script) -> Option<Marks> {
        let (SendMode::Repeat(stimulus) | SendMode::Once(stimulus)) = &script.stimulus.send;
        let body = script.http2.as_ref().and_then(|http2| http2.body.as_ref());
        let sent = [Some(stimulus), body];
        let input = sent.into_iter().flatten().find_map(|payload| Marks::of_payload(payload, Marked::Input));
        input.or_else(|| {
            let stored = script.prepare.iter().filter_map(|step| step.send.as_ref());
            stored.filter_map(|payload| Marks::of_payload(payload, Marked::Output)).next_back()
        })
    }

    fn of_payload(payload: &Payload, marked: Marked) -> Option<Marks> {
        let cells: Vec<_> = payload.cells().collect();
        // Of two kinds, the more frequent one.
        let count = |digits: Digits| cells.iter().filter(|(_, own)| *own == digits).count();
        let digits =
            [Digits::Lower, Digits::Upper, Digits::Decimal].into_iter().max_by_key(|kind| count(*kind))?;
        let needle = payload.mark()?.text(digits).to_vec();
        let bytes_per_mark = payload.len() as f64 / count(digits) as f64;
        (count(digits) > 0).then_some(Marks { needle, bytes_per_mark, marked })
    }

    /// A piece of a reply that recurs in it, or else one that occurs: other replies probably contain it too.
    pub(crate) fn of_reply(reply: &[u8]) -> Option<Marks> {
        let reply = &reply[..reply.len().min(LARGEST_REPLY)];
        // Of each piece: how often it occurs, and where last.
        let mut pieces: HashMap<&[u8], (u32, usize)> = HashMap::new();
        for (at, piece) in reply.windows(DIGITS).enumerate() {
            if is_distinctive(piece) && !is_beside_carriage_return(reply, at) {
                let (count, last) = pieces.entry(piece).or_default();
                *count += 1;
                *last = at;
            }
        }
        // Text that recurs, since other bytes may frame the data only on its way; else the most frequent piece. Of several the last,
        // because a reply begins with a header.
        let preference = |&(piece, (count, last)): &(&[u8], (u32, usize))| {
            let is_text = piece.iter().all(|byte| matches!(byte, b' '..=b'~'));
            (is_text && count > 1, count, last)
        };
        let (needle, _) = pieces.into_iter().max_by_key(preference)?;
        let count = memchr::memmem::find_iter(reply, needle).count();
        // One in a part of a reply does not say how many there are in all of it.
        let is_usable = count > 1 || reply.len() < LARGEST_REPLY;
        is_usable.then(|| Marks {
            needle: needle.to_vec(),
            bytes_per_mark: reply.len() as f64 / count as f64,
            marked: Marked::Output,
        })
    }
}

/// Whether a piece of a reply has enough different bytes that it is rare in other memory.
fn is_distinctive(piece: &[u8]) -> bool {
    let mut different = piece.to_vec();
    different.sort_unstable();
    different.dedup();
    different.len() >= DISTINCT
}

/// Whether a piece contains a carriage return or follows one. The chunks of HTTP begin and end with such a line end, and a server has
/// its data in memory without them.
fn is_beside_carriage_return(reply: &[u8], at: usize) -> bool {
    reply[at.saturating_sub(1)..at + DIGITS].contains(&b'\r')
}

/// Bytes of a reply in which a piece is looked for: many pieces of any list or stream, found in some milliseconds.
pub(crate) const LARGEST_REPLY: usize = 256 << 10;

/// Different bytes of a piece that is usable as a mark: runs of zeros, spaces and small numbers have fewer.
const DISTINCT: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Mark;
    use crate::script::{Http2, Part, Step, Stimulus};

    fn fill(fill: &str, count: usize) -> Payload {
        Payload::new(vec![Part::Fill { fill: fill.to_owned(), count }])
    }

    fn marked(script: Script) -> Script {
        script.marked(Mark::EXAMPLE)
    }

    #[test]
    fn a_marked_payload_has_the_length_of_the_original() {
        let payload = Payload::new(vec![
            Part::Text("SET k ".to_owned()),
            Part::Fill { fill: "x".to_owned(), count: 130 },
            Part::Fill { fill: "7".to_owned(), count: 63 },
            Part::Fill { fill: "-".to_owned(), count: 64 },
        ]);

        let script = marked(Script::new(Stimulus::once("", payload.clone())));

        let SendMode::Once(sent) = &script.stimulus.send else { panic!("once") };
        let (bytes, mark) = (sent.bytes(), b"abcdefghijklmnop");
        let at: Vec<_> = memchr::memmem::find_iter(&bytes, mark).collect();
        assert_eq!((bytes.len(), at), (payload.len(), vec![6, 70]));
        let rest = payload.bytes();
        assert!(
            (0..bytes.len())
                .all(|at| bytes[at] == rest[at] || (6..22).contains(&at) || (70..86).contains(&at))
        );
        assert_eq!(script.to_toml(), Script::new(Stimulus::once("", payload)).to_toml());
    }

    #[test]
    fn the_marks_are_those_of_the_stimulus_or_of_what_is_stored() {
        let get = || Script::new(Stimulus::repeat("", Payload::text("GET\n")));
        let sends = Script::new(Stimulus::repeat(
            "",
            Payload::new(vec![Part::Text("\n".repeat(64)), Part::Fill { fill: "x".to_owned(), count: 192 }]),
        ));
        let stores = Script { prepare: vec![Step { send: Some(fill("7", 128)), expect: None }], ..get() };

        let http2 = Some(Http2 { body: Some(fill("x", 64)), ..Http2::default() });
        let posts = Script { http2, ..Script::new(Stimulus::once("", Payload::default())) };

        let of_stimulus = Marks::of_script(&marked(sends.clone())).unwrap();
        let of_body = Marks::of_script(&marked(posts)).unwrap();
        let of_value = Marks::of_script(&marked(stores)).unwrap();

        assert_eq!((of_stimulus.marked, of_stimulus.bytes_per_mark), (Marked::Input, 256.0 / 3.0));
        assert_eq!(of_stimulus.needle, b"abcdefghijklmnop");
        assert_eq!((of_body.marked, of_body.bytes_per_mark), (Marked::Input, 64.0));
        assert_eq!(
            (of_value.marked, of_value.bytes_per_mark, of_value.needle.len()),
            (Marked::Output, 64.0, DIGITS)
        );
        assert_eq!(Marks::of_script(&marked(get())), None);
        assert_eq!(Marks::of_script(&sends), None, "it was not marked");
    }

    #[test]
    fn a_piece_that_recurs_in_a_reply_marks_the_output() {
        let event = b"id: 1\ndata: the price is 17 now\n\n";

        let stream =
            Marks::of_reply(&[b"HTTP/1.1 200 OK\r\n\r\n", event.repeat(50).as_slice()].concat()).unwrap();
        let page = Marks::of_reply(b"HTTP/1.1 200 OK\r\n\r\n<p>Welcome to this page</p>").unwrap();

        assert!(memchr::memmem::find(&event.repeat(2), &stream.needle).is_some());
        assert!((30.0..40.0).contains(&stream.bytes_per_mark), "{}", stream.bytes_per_mark);
        assert_eq!((page.needle.as_slice(), page.bytes_per_mark), (&b" to this page</p>"[1..], 46.0));
    }

    #[test]
    fn a_piece_that_marks_the_output_does_not_span_chunks() {
        let chunked = |data: &[u8]| {
            [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"]
                .concat()
                .repeat(LARGEST_REPLY / data.len())
        };
        let event = b"data: 17\ndata: the price is 17 now\n\n";

        let marks = Marks::of_reply(&chunked(event)).unwrap();

        assert!(memchr::memmem::find(event, &marks.needle).is_some(), "{}", marks.needle.escape_ascii());
        assert_eq!(
            Marks::of_reply(&chunked(&[b'x'; 0x1234])),
            None,
            "only the sizes of the chunks are distinctive"
        );
    }

    #[test]
    fn a_reply_without_a_distinctive_piece_has_no_marks() {
        let mut state = 7_u64;
        let random: Vec<u8> = (0..LARGEST_REPLY)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();

        for reply in [&b""[..], b"+PONG\r\n", &[0; 5000], &b"ab".repeat(300), &random] {
            assert_eq!(Marks::of_reply(reply), None);
        }
    }
}

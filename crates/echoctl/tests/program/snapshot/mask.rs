//! Replaces measured figures by placeholders, so that two runs give the same text.
//!
//! ```text
//! 100 writes came out of 2 reads, 3.1 MiB in 26 ms (12%)
//! # write came out of # read, #B in #s (#%)
//! ```

/// The text with each number replaced by `#`, and its unit by the kind of the unit. The noun after a number loses its
/// plural, since that depends on the number. Numbers within names (`u16`, `127.0.0.1`) stay.
pub(crate) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_inside = out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._".contains(c));
        let length = if is_inside { 0 } else { number(rest) };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        rest = &rest[length..];
        let (placeholder, unit) = unit(rest);
        out.push_str(placeholder);
        rest = &rest[unit..];
        if placeholder == "#"
            && let Some(noun) = plural(rest)
        {
            out.push_str(&rest[..noun]);
            rest = &rest[noun + 1..];
        }
    }
    out
}

/// The length of the number at the front: digits with points and commas between them. 0 if there is none, or if it is
/// part of a name or an address.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    while is_digit(end) || (end > 0 && matches!(bytes.get(end), Some(b'.' | b',')) && is_digit(end + 1)) {
        end += 1;
    }
    let is_address = text[..end].matches('.').count() > 1;
    let next = text[end..].chars().next();
    let is_name = next.is_some_and(|c| c.is_alphanumeric() || c == '_') && unit(&text[end..]).1 == 0;
    if is_address || is_name { 0 } else { end }
}

/// The placeholder for a number with the unit at the front of `rest`, and the length of that unit.
fn unit(rest: &str) -> (&'static str, usize) {
    let trimmed = rest.trim_start_matches([' ', '\u{a0}']);
    let blanks = rest.len() - trimmed.len();
    for (unit, placeholder) in UNITS {
        let Some(after) = trimmed.strip_prefix(unit) else { continue };
        if blanks <= 2 && !after.starts_with(|c: char| c.is_alphanumeric() || c == '/') {
            return (placeholder, blanks + unit.len());
        }
    }
    ("#", 0)
}

/// The place of the final `s` of the word that follows, if it looks like a plural.
fn plural(rest: &str) -> Option<usize> {
    let word = rest.strip_prefix(' ')?;
    let length = word.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(word.len());
    let word = &word[..length];
    (word.len() > 4 && word.ends_with('s') && !word.ends_with("ss")).then_some(length)
}

const UNITS: [(&str, &str); 21] = [
    ("B/s", "#B/s"),
    ("KiB/s", "#B/s"),
    ("MiB/s", "#B/s"),
    ("GiB/s", "#B/s"),
    ("B", "#B"),
    ("KiB", "#B"),
    ("MiB", "#B"),
    ("GiB", "#B"),
    ("TiB", "#B"),
    ("ns", "#s"),
    ("µs", "#s"),
    ("us", "#s"),
    ("ms", "#s"),
    ("s", "#s"),
    ("seconds", "#s"),
    ("min", "#s"),
    ("h", "#s"),
    ("%", "#%"),
    ("Mbit/s", "#bit/s"),
    ("Gbit/s", "#bit/s"),
    ("kbit/s", "#bit/s"),
];

#[test]
fn figures_are_masked_and_names_are_not() {
    for (text, expected) in [
        ("100 writes came out of 2 reads.", "# write came out of # read."),
        ("3.1 MiB in 26 ms (12%), 1,000 at 2.5 MiB/s", "#B in #s (#%), # at #B/s"),
        ("u16 at 127.0.0.1:7007 for 1 class", "u16 at 127.0.0.1:# for # class"),
        ("0f db is 4059", "0f db is #"),
        ("--for 5s --size 64..4KiB", "--for #s --size #..4KiB"),
    ] {
        assert_eq!(masked(text), expected);
    }
}

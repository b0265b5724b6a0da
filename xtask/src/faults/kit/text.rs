//! Decides whether printed bytes are harmless: what a terminal would interpret, and what would mislead its reader.

use anyhow::{Result, bail};

/// The destination of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A terminal with colours on which views are drawn: sequences for colour, cursor and erasing are ours.
    Terminal,
    /// Text in a pipe, or on a terminal without sequences.
    Plain,
    /// A page, a table or a script in a file or a pipe: data in UTF-8, in which only control characters of ASCII are wrong.
    Data,
}

/// Text that is sent through every input. Its escape sequences must not be printed anywhere.
///
/// It sets the title, rings the bell, sets colours that `echoctl` does not use, once in 7 and once in 8 bits (C1), moves back,
/// and reverses the direction of the text after it.
pub(crate) const EVIL: &str =
    "\x1b]0;PWNED\x07\x1b[7;36;45mEVIL\u{9b}31m\u{9d}x\u{9c}\x08\r\u{202e}lru\u{2066}\u{200f}";

/// The part of [`EVIL`] that fits into 15 bytes, the maximum of a process name.
pub(crate) const EVIL_NAME: &str = "\x1b]0;P\x07\x1b[7;36mE";

/// Checks printed bytes.
///
/// # Errors
/// The first harmful byte or character, with the text around it.
pub(crate) fn harmless(bytes: &[u8], medium: Medium) -> Result<()> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest: &str = &text;
    while let Some(c) = rest.chars().next() {
        let own = if medium == Medium::Terminal { own_sequence(rest) } else { None };
        match own {
            Some(length) => rest = &rest[length..],
            None if is_harmful(c, medium) => {
                let at = text.len() - rest.len();
                let around: String = text[floor(&text, at.saturating_sub(40))..].chars().take(80).collect();
                bail!("a raw {} in {:?}", c.escape_unicode(), around);
            }
            None => rest = &rest[c.len_utf8()..],
        }
    }
    Ok(())
}

fn is_harmful(c: char, medium: Medium) -> bool {
    match c {
        '\n' | '\t' => false,
        // A terminal ends its lines with it, and a line is redrawn from there.
        '\r' => medium == Medium::Plain,
        '\u{0}'..='\u{1f}' | '\u{7f}' => true,
        _ if medium == Medium::Data => false,
        '\u{80}'..='\u{9f}' => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

/// The length of the sequence at the start of `rest`, if it is one that `echoctl` itself may send to a terminal.
fn own_sequence(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("\x1b[")?;
    let is_parameter = |c: char| c.is_ascii_digit() || c == ';' || c == '?';
    let parameters = &body[..body.find(|c| !is_parameter(c))?];
    let last = body[parameters.len()..].chars().next()?;
    let is_ours = "mABCDEFGHJKhl".contains(last) && !parameters.starts_with("7;36");
    is_ours.then_some(2 + parameters.len() + 1)
}

/// The start of the character that contains byte `at`.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Whether the cursor is visible at the end: it was never hidden, or was shown again afterwards.
pub(crate) fn shows_cursor(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let last = |sequence: &str| text.rfind(sequence);
    last("\x1b[?25l").is_none_or(|hidden| last("\x1b[?25h").is_some_and(|shown| shown > hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_evil_text_is_found() {
        for medium in [Medium::Terminal, Medium::Plain] {
            for part in
                ["\x1b]0;PWNED\x07", "\x07", "\x1b[7;36;45m", "\u{9b}31m", "\x08", "\u{202e}", "\u{2066}"]
            {
                assert!(EVIL.contains(part));
                assert!(harmless(part.as_bytes(), medium).is_err(), "{part:?} on {medium:?}");
            }
            assert!(harmless(EVIL_NAME.as_bytes(), medium).is_err());
        }
    }

    #[test]
    fn our_own_colours_are_harmless_on_a_terminal_only() {
        let drawn = "\x1b[?25l\x1b[2K\x1b[1;38;5;208mred\x1b[0m\r\n\x1b[3A\x1b[?25h";

        assert!(harmless(drawn.as_bytes(), Medium::Terminal).is_ok());
        assert!(harmless(drawn.as_bytes(), Medium::Plain).is_err());
        assert!(harmless("64 KiB, µ and ─\n".as_bytes(), Medium::Plain).is_ok());
    }

    #[test]
    fn data_may_contain_text_but_no_control_characters() {
        assert!(harmless("a,b\r\n\u{202e}\u{9b}".as_bytes(), Medium::Data).is_ok());
        assert!(harmless(b"\x1b[31m", Medium::Data).is_err());
    }

    #[test]
    fn the_cursor_is_shown_if_it_was_shown_last() {
        assert!(shows_cursor(b"text"));
        assert!(shows_cursor(b"\x1b[?25l text \x1b[?25h"));
        assert!(!shows_cursor(b"\x1b[?25l \x1b[?25h \x1b[?25l text"));
    }
}

//! Makes untrusted text safe to print: it moves no cursor, changes no colour, and is displayed in its own order.
//!
//! Names of processes, replies of servers and texts in files are untrusted, and a terminal executes control characters. Each of
//! them is replaced by one visible character, so that an aligned table stays aligned. This is for terminals and logs: JSON, HTML
//! and CSV have their own escapes.

use std::borrow::Cow;

/// `text` as one line: line breaks are replaced as well.
///
/// ```
/// assert_eq!(echoctl_record::printable("\u{1b}[2Jevil\n"), "␛[2Jevil␊");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    replaced(text, shown)
}

/// `text` with its line breaks. They stay wherever they came from, so an untrusted part of it has to be made [`printable`] first.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| if character == '\n' { character } else { shown(character) })
}

/// Replaces every character that is not shown as itself.
fn replaced(text: &str, shown: impl Fn(char) -> char) -> Cow<'_, str> {
    match text.chars().all(|character| shown(character) == character) {
        true => text.into(),
        false => text.chars().map(shown).collect::<String>().into(),
    }
}

/// The replacement of a character that a terminal would execute or hide; any other character is itself.
fn shown(character: char) -> char {
    match character {
        '\t' => ' ',
        // Unicode has a symbol for each ASCII control character, in the same order.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + character as u32).unwrap_or(HIDDEN),
        '\u{7f}' => '\u{2421}',
        // Direction marks, which reorder the text around them.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => HIDDEN,
        // Line breaks outside ASCII, and characters without width: names that look alike would differ.
        '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}' => HIDDEN,
        '\u{80}'..='\u{9f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => HIDDEN,
        other => other,
    }
}

/// Replaces characters that have no symbol of their own.
const HIDDEN: char = '\u{fffd}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_or_direction_mark_is_left() {
        let all: String = (0..=0x11_ffff_u32).filter_map(char::from_u32).collect();

        for (text, breaks) in [(printable(&all), 0), (printable_lines(&all), 1)] {
            assert_eq!(text.chars().filter(|character| character.is_control()).count(), breaks);
            for hidden in ['\u{202e}', '\u{2066}', '\u{2028}', '\u{200f}', '\u{feff}', '\u{e0041}'] {
                assert!(!text.contains(hidden), "{hidden:?}");
            }
            assert_eq!(text.chars().count(), all.chars().count(), "one for one");
        }
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["50 µs, 3 × “a” – b … é ü 日本 🙂 █▏", ""] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn replacement_is_idempotent() {
        let once = printable("\u{1b}]0;x\u{7}\n\t\u{9b}31m").into_owned();

        assert_eq!(once, "␛]0;x␇␊ \u{fffd}31m");
        assert_eq!(printable(&once), once);
    }
}

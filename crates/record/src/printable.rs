//! Makes text safe to print: whatever it holds, it moves no cursor, changes no colour, and is read in the order in which it stands.
//!
//! Names of processes, answers of servers and words in files are other people's text, and a terminal obeys what it is sent.
//! Each character that it would obey is replaced by one that it shows, one for one, so that a table which was aligned before
//! is aligned afterwards. It is for terminals and logs: JSON, HTML and CSV have escapes of their own.

use std::borrow::Cow;

/// `text` as one line: line breaks are replaced as well.
///
/// ```
/// assert_eq!(echoctl_record::printable("\u{1b}[2Jevil\n"), "␛[2Jevil␊");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    replaced(text, None)
}

/// `text` with its lines as they are. Its own line breaks stay, and so do those that somebody put into a part of it: such a
/// part is made [`printable`] first.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    replaced(text, Some('\n'))
}

/// Replaces what is shown otherwise, but for `kept`.
fn replaced(text: &str, kept: Option<char>) -> Cow<'_, str> {
    let shown = |character: char| if Some(character) == kept { character } else { shown(character) };
    match text.chars().all(|character| shown(character) == character) {
        true => text.into(),
        false => text.chars().map(shown).collect::<String>().into(),
    }
}

/// What stands for a character that a terminal would obey or hide; any other is itself.
fn shown(character: char) -> char {
    match character {
        '\t' => ' ',
        // Unicode has a picture for each control character of ASCII, in their order.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + character as u32).unwrap_or(HIDDEN),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => HIDDEN,
        // Marks of direction, which reorder what stands around them.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => HIDDEN,
        // Line breaks that are none of ASCII, and what takes no room: names that look alike would differ.
        '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}' => HIDDEN,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => HIDDEN,
        other => other,
    }
}

/// Stands for what has no picture of its own.
const HIDDEN: char = '\u{fffd}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_and_no_mark_of_direction_is_left() {
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
    fn ordinary_text_stays_as_it_is() {
        for text in ["50 µs, 3 × “a” – b … é ü 日本 🙂 █▏", ""] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_was_replaced_is_replaced_no_further() {
        let once = printable("\u{1b}]0;x\u{7}\n\t\u{9b}31m").into_owned();

        assert_eq!(once, "␛]0;x␇␊ \u{fffd}31m");
        assert_eq!(printable(&once), once);
    }
}

//! The name that a connection's first frame may give it: `name ada`.

/// The name in the payload of a first frame; `None` if it is another frame. At most [`LONGEST`] characters, of which none is a
/// control character or would change the direction of what is displayed around it.
pub(super) fn name_in(payload: &[u8]) -> Option<Box<str>> {
    let named = payload.strip_prefix(b"name ")?;
    // With raw framing the payload may have more lines. What follows the longest name in any encoding is not looked at.
    let named = named.split(|&byte| byte == b'\n').next()?;
    let text = String::from_utf8_lossy(&named[..named.len().min(MOST_BYTES)]);
    let visible = text.chars().filter(|char| !char.is_control() && !changes_direction(*char));
    let name: String = visible.skip_while(|char| char.is_whitespace()).take(LONGEST).collect();
    let name = name.trim_end();
    (!name.is_empty()).then(|| name.into())
}

/// Whether the character orders the text around it: the marks, embeddings, overrides and isolates of Unicode (UAX #9).
fn changes_direction(char: char) -> bool {
    matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters of a name: more than a row of a table shows.
const LONGEST: usize = 40;

/// Bytes of a frame in which a name is looked for: four for each character, and as many that are left out.
const MOST_BYTES: usize = 8 * LONGEST;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_the_word() {
        assert_eq!(name_in(b"name ada").as_deref(), Some("ada"));
        assert_eq!(name_in(b"name  ada lovelace \r\n").as_deref(), Some("ada lovelace"));
        assert_eq!(name_in(b"name ada\nhello\n").as_deref(), Some("ada"));
        assert_eq!(name_in("name Žofie".as_bytes()).as_deref(), Some("Žofie"));
        for other in [&b"name"[..], b"name ", b"name \r", b"named ada", b"Name ada", b" name ada", b""] {
            assert_eq!(name_in(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_hostile_name_is_cut_and_without_control_characters() {
        assert_eq!(name_in(b"name \x1b[31mred\x07\0").as_deref(), Some("[31mred"));
        assert_eq!(name_in("name \u{202e}ada\u{9b}".as_bytes()).as_deref(), Some("ada"));
        assert_eq!(name_in(b"name \xff\xfeada").as_deref(), Some("\u{fffd}\u{fffd}ada"));
        let long = name_in(&[&b"name "[..], &vec![b'x'; 1 << 20]].concat()).unwrap();
        assert_eq!(long.chars().count(), LONGEST);
        assert_eq!(name_in(&[&b"name "[..], &vec![0; 1 << 20]].concat()), None);
    }
}

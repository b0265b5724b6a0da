//! Escapes in the text of a request, for bytes that cannot be typed.
//!
//! They are `\r`, `\n`, `\t`, `\0`, `\\` and `\xHH`; any other character means itself in UTF-8. Scripts do not need them,
//! because JSON and TOML have escapes of their own.

use crate::ScriptError;

/// The bytes that `text` means.
///
/// # Errors
/// A [`ScriptError`] that names the invalid escape.
pub fn unescape(text: &str) -> Result<Vec<u8>, ScriptError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digit = |c: Option<char>| c.and_then(|c| c.to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(ScriptError::IncompleteHexEscape),
                }
            }
            Some(other) => return Err(ScriptError::UnknownEscape(other)),
            None => return Err(ScriptError::IncompleteEscape),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_their_bytes() {
        assert_eq!(unescape(r"GET /\r\n\t\0\\\x7f\xFFé").unwrap(), b"GET /\r\n\t\0\\\x7f\xff\xc3\xa9");
    }

    #[test]
    fn an_invalid_escape_is_named() {
        for (text, part) in [(r"\q", r"'\q'"), (r"\x0", "two hexadecimal"), ("end\\", "at the end")] {
            assert!(unescape(text).unwrap_err().to_string().contains(part), "{text}");
        }
    }
}

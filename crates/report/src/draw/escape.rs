//! Escapes text for XML, HTML and SVG, so that it can never become markup.

use std::fmt;

/// Text for XML, HTML and SVG, in content and in double-quoted attributes.
#[derive(Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // XML cannot contain these, not even escaped.
                control if control.is_control() && !matches!(control, '\n' | '\t') => {
                    f.write_str("\u{fffd}")?
                }
                '\u{fffe}' | '\u{ffff}' => f.write_str("\u{fffd}")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_an_element_or_an_attribute() {
        let hostile = "</title><script>alert(\"1\" + '2')</script>&\u{1b}[0m\0";

        let escaped = Escaped(hostile).to_string();

        assert!(!escaped.contains(['<', '>', '"', '\u{1b}', '\0']), "{escaped}");
        assert!(escaped.starts_with("&lt;/title&gt;&lt;script&gt;"));
    }
}

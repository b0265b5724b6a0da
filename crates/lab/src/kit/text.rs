//! Text helpers: line wrapping, and a number with its noun.

/// A number with its noun: "1 read", "4 reads".
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Breaks text into lines of at most `width` characters, at spaces, but never between a figure and its unit (`8.4 MiB`).
/// What is longer stands alone on its line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in unbreakable(text) {
        let line = lines.last_mut().expect("one line is always there");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
    }
    lines
}

/// The words of a text, a figure and its unit being one.
fn unbreakable(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(before) if is_figure(before) && is_unit(word) => {
                before.push(' ');
                before.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Whether a word is a number, bracketed or signed as it may be: `8.4`, `(64`, `+1,024`.
fn is_figure(word: &str) -> bool {
    let digits = word.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    !digits.is_empty()
        && digits.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | ','))
        && digits.ends_with(|letter: char| letter.is_ascii_digit())
}

/// Whether a word is a unit, with the punctuation that may follow it: `MiB`, `KiB/s,`, `ms).`.
fn is_unit(word: &str) -> bool {
    let name = word.trim_end_matches(|letter: char| letter.is_ascii_punctuation() && letter != '%');
    UNITS.contains(&name.strip_suffix("/s").unwrap_or(name))
}

/// What sizes, rates and times are printed in (see [`Bytes`](echoctl_record::Bytes)).
const UNITS: [&str; 13] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "ns", "µs", "ms", "s", "min", "h", "%"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_text_keeps_every_word_and_the_width() {
        let text = "a stream has no packets in it, whatever it looks like";

        let lines = wrap(text, 20);

        assert!(lines.iter().all(|line| line.chars().count() <= 20), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_figure_and_its_unit_stay_on_one_line_at_every_width() {
        let text = "it took 8.4 MiB (at 64 KiB/s), grew by 512 B, and held back for 250 ms: 3 of 4 sent it";

        for width in 1..=text.len() {
            let lines = wrap(text, width);

            assert_eq!(lines.join(" "), text);
            for figure in ["8.4 MiB", "64 KiB/s", "512 B", "250 ms"] {
                assert!(lines.iter().any(|line| line.contains(figure)), "{figure} at {width}: {lines:?}");
            }
        }
        assert_eq!(wrap(text, 9)[1], "8.4 MiB", "the unit would not fit behind the words before");
        assert_eq!(wrap("in 3 of 4 cases", 6), ["in 3", "of 4", "cases"], "other words part from figures");
    }
}

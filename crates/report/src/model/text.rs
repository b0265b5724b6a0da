//! Wraps prose and code.

/// Wraps text at spaces into lines of at most `width` characters, but not between a figure and its unit (`8.4 MiB`). A
/// longer word gets a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in unbreakable(text) {
        let line = lines.last_mut().expect("one line is always there");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word);
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word);
        }
    }
    lines
}

/// The words of a text, where a figure and its unit count as one word.
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

/// Whether a word is a number, possibly after a bracket or a sign: `8.4`, `(64`, `+1,024`.
fn is_figure(word: &str) -> bool {
    let digits = word.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    !digits.is_empty()
        && digits.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | ','))
        && digits.ends_with(|letter: char| letter.is_ascii_digit())
}

/// Whether a word is a unit, possibly followed by punctuation: `MiB`, `KiB/s,`, `ms).`.
fn is_unit(word: &str) -> bool {
    let name = word.trim_end_matches(|letter: char| letter.is_ascii_punctuation() && letter != '%');
    UNITS.contains(&name.strip_suffix("/s").unwrap_or(name))
}

/// Units of printed sizes, rates and times (see [`Bytes`](echoctl_record::Bytes)).
const UNITS: [&str; 13] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "ns", "µs", "ms", "s", "min", "h", "%"];

/// A label and its text, wrapped beside the label at `columns`. An empty text is an empty line.
pub(crate) fn labelled(label: &str, width: usize, text: &str, columns: usize) -> Vec<String> {
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    let lines = wrap(text, columns.saturating_sub(width + 2));
    lines.iter().zip(labels).map(|(line, label)| format!("  {label:<width$}{line}")).collect()
}

/// Wraps lines of code at spaces, to at most `width` columns where words allow it. Continuation lines are indented further
/// than their line, and stay comments where the line broke in a comment.
pub fn wrap_code(code: &str, width: usize) -> String {
    code.lines().map(|line| wrap_code_line(line, width)).collect::<Vec<_>>().join("\n")
}

fn wrap_code_line(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let indentation = line.len() - line.trim_start().len();
    // A line that is all comment stays one at its own indentation.
    let is_comment = line.trim_start().starts_with("//");
    let further = " ".repeat(indentation + if is_comment { 0 } else { CONTINUATION });
    let mark = match line.trim_start() {
        line if line.starts_with("///") => "/// ",
        _ => "// ",
    };
    let (mut lines, mut current, mut in_comment) = (Vec::new(), " ".repeat(indentation), false);
    // The mark of a comment stays with its first word.
    for word in line.trim_start().replace("// ", "//\u{a0}").split(' ') {
        let word = word.replace('\u{a0}', " ");
        if !current.trim().is_empty() && current.chars().count() + 1 + word.chars().count() > width {
            let mark = if in_comment { mark } else { "" };
            lines.push(std::mem::replace(&mut current, format!("{further}{mark}{word}")));
        } else {
            current.push_str(if current.trim().is_empty() { "" } else { " " });
            current.push_str(&word);
        }
        in_comment |= word.starts_with("//");
    }
    lines.push(current);
    lines.join("\n")
}

/// Columns by which a continuation line of code is indented further.
const CONTINUATION: usize = 4;

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
        assert_eq!(
            wrap("in 3 of 4 cases", 6),
            ["in 3", "of 4", "cases"],
            "other words may be separated from figures"
        );
    }

    #[test]
    fn wrapped_code_stays_code_and_comments_stay_comments() {
        let code = "fn f() {\n    let a = b(c, d); // a comment that is long\n}";

        let wrapped = wrap_code(code, 24);

        let expected = "fn f() {\n    let a = b(c, d);\n        // a comment\n        // that is long\n}";
        assert_eq!(wrapped, expected);
        assert_eq!(wrap_code(code, 80), code);
        assert_eq!(wrap_code("  /// One two three", 14), "  /// One two\n  /// three");
    }
}

//! Lays out text again, so that it depends neither on the widths of its figures nor on the shapes of its drawings.

/// Wrapped paragraphs as one line per sentence, tables with two spaces between columns, without drawings and rules.
pub(crate) fn prose(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    // Columns of the line above, 0 where it cannot be continued.
    let mut width = 0;
    let mut is_below_drawing = false;
    for line in text.lines() {
        let words = line.trim();
        let is_axis = is_below_drawing && words.split_whitespace().all(|word| word.len() < 4);
        is_below_drawing = is_drawn(line);
        if is_below_drawing || is_axis || is_rule(words) {
            width = 0;
            continue;
        }
        let first = unbroken(words);
        let continues = width > 0 && width + 1 + first > WRAPPED && !words.contains("  ");
        width = if words.is_empty() { 0 } else { line.chars().count() };
        match lines.last_mut() {
            Some(last) if continues && width > 0 => *last = format!("{last} {words}"),
            last => {
                if width > 0 || last.is_some_and(|last| !last.is_empty()) {
                    lines.push(format!("{}{}", indent(line), narrow(words)));
                }
            }
        }
    }
    lines.iter().flat_map(|line| sentences(line)).map(|line| line + "\n").collect()
}

/// Columns that a line has at least where it was wrapped, together with the word that went to the next line.
const WRAPPED: usize = 76;

/// Columns of the first word of a line. A line is not wrapped between a number and its unit.
fn unbroken(words: &str) -> usize {
    let is_number = words.trim_start_matches(['(', '"']).starts_with(|c: char| c.is_ascii_digit());
    words.split(' ').take(1 + usize::from(is_number)).map(|word| word.chars().count() + 1).sum::<usize>() - 1
}

/// Whether a line belongs to a chart.
fn is_drawn(line: &str) -> bool {
    line.contains(|c: char| "┤│└┊┴■○".contains(c) || ('\u{2800}'..='\u{28ff}').contains(&c))
}

/// Whether this is the line below the heading of a table.
fn is_rule(words: &str) -> bool {
    words.starts_with("---") && words.chars().all(|c| " -".contains(c))
}

/// The indent of a line. That of a row of a table depends on the width of its first figure.
fn indent(line: &str) -> String {
    let words = line.trim_start();
    let is_row = words.trim_end().contains("  ");
    let columns = line.len() - words.len();
    let is_aligned_right = columns > 12 || words.starts_with(|c: char| c.is_ascii_digit());
    " ".repeat(if is_row && is_aligned_right { 2 } else { columns })
}

/// The columns of a row with two spaces between them.
fn narrow(words: &str) -> String {
    let cells = words.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    cells.collect::<Vec<_>>().join("  ")
}

/// The sentences of a line, each with its indent.
fn sentences(line: &str) -> Vec<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let mut out = Vec::new();
    let mut begin = 0;
    for (at, _) in line.match_indices(['.', '?']) {
        let mut next = line[at + 1..].chars();
        let ends =
            next.next() == Some(' ') && next.next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
        if ends {
            out.push(format!("{indent}{}", line[begin..=at].trim()));
            begin = at + 1;
        }
    }
    out.push(format!("{indent}{}", line[begin..].trim()).trim_end().to_owned());
    out
}

#[test]
fn paragraphs_are_one_sentence_per_line() {
    let text = "Title\nOne line that is so long that the word behind it went to the next line below\nthis. 4 MiB\n\n\nEnd.";

    let expected = "Title\nOne line that is so long that the word behind it went to the next line below this.\n4 MiB\n\nEnd.\n";
    assert_eq!(prose(text), expected);
}

#[test]
fn tables_stay_and_drawings_do_not() {
    let text = "  name     bytes\n  ----  ---\n  a b       3 B\n   ┤ x\n   0 s   2 s\n  12 B   3 B\n";

    assert_eq!(prose(text), "  name  bytes\n  a b  3 B\n  12 B  3 B\n");
}

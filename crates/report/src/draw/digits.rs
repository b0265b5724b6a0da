//! Large digits, readable from the last row of a classroom.
//!
//! ```text
//! ████ ████ █  █
//!    █    █ █  █
//!  ███   █  ████
//!    █  █      █
//! ████  █      █
//! ```

/// Rows of a large digit.
pub const ROWS: usize = 5;

/// `text` in large characters, one string per row. Digits, point and minus are supported; anything else becomes a space.
pub fn large(text: &str) -> [String; ROWS] {
    let mut rows = [const { String::new() }; ROWS];
    for (at, character) in text.chars().enumerate() {
        for (row, bits) in rows.iter_mut().zip(glyph(character)) {
            if at > 0 {
                row.push(' ');
            }
            row.extend(bits.chars().map(|bit| if bit == '#' { '█' } else { ' ' }));
        }
    }
    rows
}

/// Shape of one character. Four columns, because terminal cells are about twice as high as wide.
fn glyph(character: char) -> [&'static str; ROWS] {
    match character {
        '0' => ["####", "#  #", "#  #", "#  #", "####"],
        '1' => ["  # ", " ## ", "  # ", "  # ", " ###"],
        '2' => ["####", "   #", "####", "#   ", "####"],
        '3' => ["####", "   #", " ###", "   #", "####"],
        '4' => ["#  #", "#  #", "####", "   #", "   #"],
        '5' => ["####", "#   ", "####", "   #", "####"],
        '6' => ["####", "#   ", "####", "#  #", "####"],
        '7' => ["####", "   #", "  # ", " #  ", " #  "],
        '8' => ["####", "#  #", "####", "#  #", "####"],
        '9' => ["####", "#  #", "####", "   #", "####"],
        '.' => ["  ", "  ", "  ", "  ", "##"],
        '-' => ["    ", "    ", "####", "    ", "    "],
        _ => ["  "; ROWS],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_of_a_number_are_equally_wide() {
        let rows = large("-0123.456789 ");

        let width = rows[0].chars().count();
        assert!(rows.iter().all(|row| row.chars().count() == width), "{rows:#?}");
    }

    #[test]
    fn the_example_is_what_is_drawn() {
        let drawn = large("374").map(|row| format!("//! {row}\n")).concat();

        assert!(include_str!("digits.rs").contains(&drawn), "{drawn}");
    }

    #[test]
    fn every_digit_has_its_own_shape() {
        let pictures: std::collections::HashSet<_> = ('0'..='9').map(glyph).collect();

        assert_eq!(pictures.len(), 10);
    }
}

//! One line of the terminal: pieces of text with their colours.

/// Consecutive characters of one colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) column: usize,
    pub(super) text: String,
    pub(super) style: Style,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Of the 256 colours of a terminal; none is the colour of plain text.
    pub(super) colour: Option<u8>,
    pub(super) bold: bool,
}

/// Splits a line with escape sequences. `style` is that of the end of the line before, and becomes that of this one's.
pub(super) fn pieces(line: &str, style: &mut Style) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut column = 0;
    for (number, part) in line.split("\x1b[").enumerate() {
        let text = match part.split_once('m') {
            Some((codes, text)) if number > 0 => {
                style.apply(codes);
                text
            }
            _ => part,
        };
        let length = text.chars().count();
        if !text.trim().is_empty() {
            pieces.push(Piece { column, text: text.to_owned(), style: *style });
        }
        column += length;
    }
    pieces
}

impl Style {
    /// Applies the numbers of one escape sequence (SGR). Those that change neither colour nor weight are skipped.
    fn apply(&mut self, codes: &str) {
        let mut codes = codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Style::default(),
                1 => self.bold = true,
                22 => self.bold = false,
                30..=37 => self.colour = Some(code - 30),
                90..=97 => self.colour = Some(code - 82),
                // 38;5;N, as tmux writes one of 256 colours.
                38 => self.colour = codes.nth(1),
                39 => self.colour = None,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_last_until_they_are_reset_also_over_lines() {
        let mut style = Style::default();
        let first = pieces("ab \x1b[38;5;208mOFF", &mut style);
        let second = pieces("│\x1b[39m  x\x1b[1;31my", &mut style);

        let orange = Style { colour: Some(208), bold: false };
        assert_eq!(first[0], Piece { column: 0, text: "ab ".to_owned(), style: Style::default() });
        assert_eq!(first[1], Piece { column: 3, text: "OFF".to_owned(), style: orange });
        assert_eq!(second[0], Piece { column: 0, text: "│".to_owned(), style: orange });
        assert_eq!(second[1], Piece { column: 1, text: "  x".to_owned(), style: Style::default() });
        assert_eq!(second[2].style, Style { colour: Some(1), bold: true });
    }
}

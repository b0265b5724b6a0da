//! What a terminal shows after what was written to it: text, cursor movements and erased parts, without colours.

/// The rows of a screen. It knows the control sequences that the program writes, and fails on any other.
#[derive(Debug)]
pub(crate) struct Screen {
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    /// The last screen of a program that has switched to the terminal's alternate screen and back.
    pub(crate) fn before_it_is_left(written: &str, columns: usize, rows: usize) -> Vec<String> {
        let begin = written.find(ENTER).map_or(0, |at| at + ENTER.len());
        let end = written.rfind(LEAVE).unwrap_or(written.len());
        let mut screen = Screen { cells: vec![vec![' '; columns]; rows], row: 0, column: 0 };
        screen.write(&written[begin..end]);
        screen.cells.into_iter().map(|row| row.into_iter().collect()).collect()
    }

    fn write(&mut self, text: &str) {
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            match char {
                '\x1b' => self.escape(&mut rest),
                '\r' => self.column = 0,
                '\n' => self.row = (self.row + 1).min(self.cells.len() - 1),
                _ => {
                    if let Some(cell) = self.cells[self.row].get_mut(self.column) {
                        *cell = char;
                    }
                    self.column += 1;
                }
            }
        }
    }

    fn escape(&mut self, rest: &mut std::str::Chars) {
        assert_eq!(rest.next(), Some('['), "this screen knows only control sequences");
        let mut parameters = String::new();
        let end = loop {
            match rest.next().expect("a control sequence has an end") {
                char @ '\x20'..='\x3f' => parameters.push(char),
                end => break end,
            }
        };
        let number = |at: usize| parameters.split(';').nth(at).and_then(|word| word.parse().ok());
        let count = number(0).unwrap_or(1);
        match end {
            'H' => {
                self.row = (count - 1).min(self.cells.len() - 1);
                self.column = number(1).unwrap_or(1) - 1;
            }
            'A' => self.row = self.row.saturating_sub(count),
            'B' => self.row = (self.row + count).min(self.cells.len() - 1),
            'C' => self.column += count,
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = count - 1,
            'J' => match number(0).unwrap_or(0) {
                0 => {
                    self.erase_line();
                    self.cells.iter_mut().skip(self.row + 1).for_each(|row| row.fill(' '));
                }
                _ => self.cells.iter_mut().for_each(|row| row.fill(' ')),
            },
            'K' => self.erase_line(),
            // Colours, modes, and questions to the terminal.
            'm' | 'h' | 'l' | 'n' | 'c' | 'u' | 'q' => {}
            other => panic!("this screen does not know {parameters}{other}"),
        }
    }

    fn erase_line(&mut self) {
        self.cells[self.row].iter_mut().skip(self.column).for_each(|cell| *cell = ' ');
    }
}

const ENTER: &str = "\x1b[?1049h";

const LEAVE: &str = "\x1b[?1049l";

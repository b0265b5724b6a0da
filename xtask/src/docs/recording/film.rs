//! The pictures of a terminal over time, and the animated SVG that shows them.
//!
//! A line that stays the same over many pictures is drawn once, and is visible for that time. Without animation, which a reader may
//! prefer, only the last picture is visible.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use super::line::{self, Piece, Style};

#[derive(Default)]
pub(super) struct Film {
    pictures: Vec<(Duration, Vec<Vec<Piece>>)>,
    began: Option<Instant>,
}

impl Film {
    /// Adds what a terminal shows now.
    pub(super) fn add(&mut self, picture: &str) {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.add_at(began.elapsed(), picture);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    fn add_at(&mut self, time: Duration, picture: &str) {
        let mut style = Style::default();
        let lines = picture.lines().take(ROWS).map(|line| line::pieces(line, &mut style)).collect();
        self.pictures.push((time, lines));
    }

    pub(super) fn svg(&self) -> String {
        let length = self.pictures.last().map_or(1.0, |(time, _)| time.as_secs_f64()).max(0.1);
        let (mut rules, mut texts) = (BTreeMap::new(), String::new());
        for row in 0..ROWS {
            for Shown { pieces, from, until } in self.shown(row) {
                let next = rules.len();
                let rule = *rules.entry((from, until)).or_insert(next);
                let y = TOP + row * LINE;
                let _ = writeln!(texts, "<text y=\"{y}\" class=\"t k{rule}\">{}</text>", spans(pieces));
            }
        }
        let mut style = format!("{STYLE}.t{{animation-duration:{length:.1}s}}\n");
        for ((from, until), rule) in &rules {
            let last = *until == self.pictures.len();
            style += &self.keyframes(*rule, *from, (!last).then_some(*until), length);
        }
        let (width, height) = (COLUMNS * CELL + 2 * LEFT, ROWS * LINE + 2 * (TOP - LINE) + 8);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{LABEL}\">\n\
             <style>\n{style}</style>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#10151c\"/>\n{texts}</svg>\n"
        )
    }

    /// When the lines of one row are visible: empty ones never.
    fn shown(&self, row: usize) -> Vec<Shown<'_>> {
        let mut shown: Vec<Shown> = Vec::new();
        for (number, (_, lines)) in self.pictures.iter().enumerate() {
            let pieces = lines.get(row).map_or(&[][..], Vec::as_slice);
            match shown.last_mut().filter(|last| last.pieces == pieces) {
                Some(last) => last.until = number + 1,
                None => shown.push(Shown { pieces, from: number, until: number + 1 }),
            }
        }
        shown.retain(|shown| !shown.pieces.is_empty());
        shown
    }

    /// The rule for what is visible from one picture until another, or to the end.
    fn keyframes(&self, rule: usize, from: usize, until: Option<usize>, length: f64) -> String {
        let percent = |number: usize| 100.0 * self.pictures[number].0.as_secs_f64() / length;
        let mut steps = match from {
            0 => "0%{visibility:visible}".to_owned(),
            from => format!("0%{{visibility:hidden}}{:.2}%{{visibility:visible}}", percent(from)),
        };
        let rest = match until {
            Some(until) => {
                let _ = write!(steps, "{:.2}%{{visibility:hidden}}", percent(until));
                "hidden"
            }
            None => "visible",
        };
        let _ = write!(steps, "100%{{visibility:{rest}}}");
        format!(".k{rule}{{visibility:{rest};animation-name:a{rule}}}@keyframes a{rule}{{{steps}}}\n")
    }
}

/// A line, and the pictures in which it is visible: the first one, and the first one in which it is not.
struct Shown<'a> {
    pieces: &'a [Piece],
    from: usize,
    until: usize,
}

fn spans(pieces: &[Piece]) -> String {
    let mut spans = String::new();
    for piece in pieces {
        let start = piece.text.chars().take_while(|c| *c == ' ').count();
        let text = piece.text.trim();
        let fill = piece.style.colour.map(|colour| format!(" fill=\"{}\"", rgb(colour))).unwrap_or_default();
        let weight = if piece.style.bold { " font-weight=\"700\"" } else { "" };
        let _ = write!(
            spans,
            "<tspan x=\"{}\"{fill}{weight}>{}</tspan>",
            places(text, piece.column + start),
            escaped(text)
        );
    }
    spans
}

/// Where the characters are: each one of them where a font may have no glyph of the width of a cell.
fn places(text: &str, column: usize) -> String {
    let count = if text.is_ascii() { 1 } else { text.chars().count() };
    let places: Vec<String> =
        (column..column + count).map(|column| (LEFT + column * CELL).to_string()).collect();
    places.join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One of the 256 colours of a terminal, as xterm shows them.
fn rgb(colour: u8) -> String {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match colour {
        0..=15 => ANSI[usize::from(colour)].to_owned(),
        16..=231 => {
            let cube = colour - 16;
            format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232.. => {
            let grey = 8 + 10 * (colour - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

const ANSI: [&str; 16] = [
    "#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4", "#6e7681",
    "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
];
const STYLE: &str = "text{font:16px 'DejaVu Sans Mono','SF Mono',Menlo,Consolas,monospace;fill:#eef1f5;white-space:pre}\n\
    .t{animation-timing-function:step-end;animation-iteration-count:infinite}\n\
    @media (prefers-reduced-motion:reduce){.t{animation-name:none!important}}\n";
const LABEL: &str = "Recording of echoctl demo: a question, two servers live side by side, and the explanation of where the bytes were";

/// The size of the terminal.
pub(super) const COLUMNS: usize = 80;
pub(super) const ROWS: usize = 34;
/// In the units of the SVG: a cell of 16-pixel type, and the margins; the first line stands at `TOP`.
const CELL: usize = 10;
const LINE: usize = 20;
const LEFT: usize = 16;
const TOP: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn film(pictures: &[&str]) -> Film {
        let mut film = Film::default();
        for (second, picture) in (0..).zip(pictures) {
            film.add_at(Duration::from_secs(second), picture);
        }
        film
    }

    #[test]
    fn a_line_that_stays_is_drawn_once() {
        let svg = film(&["same\na", "same\nb", "same\n<c>"]).svg();

        assert_eq!(svg.matches("same").count(), 1);
        assert!(svg.contains("&lt;c&gt;"), "{svg}");
        assert!(
            svg.contains("0%{visibility:hidden}50.00%{visibility:visible}100.00%{visibility:hidden}"),
            "{svg}"
        );
    }

    #[test]
    fn without_animation_the_last_picture_is_visible() {
        let svg = film(&["first", "last"]).svg();

        let rule = |text: &str| {
            svg.lines().find(|line| line.contains(text)).unwrap().split(['"', ' ']).nth(6).unwrap()
        };
        let visible = |name: &str| svg.contains(&format!(".{name}{{visibility:visible;"));
        assert!(visible(rule("last</")), "{svg}");
        assert!(!visible(rule("first</")), "{svg}");
    }

    #[test]
    fn colours_are_those_of_xterm() {
        assert_eq!([rgb(208), rgb(39), rgb(245)], ["#ff8700", "#00afff", "#8a8a8a"]);
    }
}

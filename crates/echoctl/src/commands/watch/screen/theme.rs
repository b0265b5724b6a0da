//! The looks: one accent colour, and attributes that every terminal has.
//!
//! Text has the terminal's own colours, so that it is legible on light and dark backgrounds. Colour is never the only difference.

use echoctl_report::terminal::Colour;
use ratatui_core::style::{Color, Modifier, Style};

/// The styles of the instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    accent: Option<Color>,
}

impl Theme {
    /// The styles for a terminal that supports these colours.
    pub(super) fn new(colour: Colour) -> Theme {
        let accent = match colour {
            Colour::None => None,
            // The theme of the terminal makes it legible on its background, which not every theme does for yellow.
            Colour::Ansi16 => Some(Color::Red),
            // A dark orange: contrast 4 to white and 5 to black.
            Colour::Ansi256 => Some(Color::Indexed(166)),
        };
        Theme { accent }
    }

    /// What needs attention: connections that wait, and text that is typed.
    pub(super) fn accent(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        self.accent.map_or(style, |accent| style.fg(accent))
    }

    /// Bars of a chart.
    pub(super) fn bar(self) -> Style {
        self.accent.map_or(Style::new(), |accent| Style::new().fg(accent))
    }
}

/// Titles and keys.
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Labels, zeros, and what is not visible.
pub(super) const WEAK: Style = Style::new().add_modifier(Modifier::DIM);

/// Figures and sentences.
pub(super) const USUAL: Style = Style::new();

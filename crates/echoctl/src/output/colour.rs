//! How text looks: `--plain`, and colours by `--color` or, under `auto`, by the environment and the stream.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use clap::ValueEnum;
use echoctl_report::terminal::Colour;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[repr(u8)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set or TERM is `dumb`
    #[default]
    Auto = 0,
    /// Also in files and pipes
    Always = 1,
    /// Plain text
    Never = 2,
}

/// Sets the choice for everything that is printed from now on.
pub(crate) fn choose(choice: ColourChoice) {
    CHOICE.store(choice as u8, Relaxed);
}

/// With `--plain`: no live view and no colours from now on, and only ASCII on stdout.
pub(crate) fn set_plain(is_plain: bool) {
    IS_PLAIN.store(is_plain, Relaxed);
    if is_plain {
        choose(ColourChoice::Never);
    }
}

/// Whether stdout gets ASCII only.
pub(crate) fn is_plain() -> bool {
    IS_PLAIN.load(Relaxed)
}

/// The colours of text on stdout.
pub(crate) fn colour() -> Colour {
    colour_of(choice(), io::stdout().is_terminal(), variable)
}

/// The colours of text on stderr.
pub(super) fn stderr_colour() -> Colour {
    colour_of(choice(), io::stderr().is_terminal(), variable)
}

/// The colours of a live view on stderr.
pub(crate) fn live_colour() -> Colour {
    if super::is_live() { stderr_colour() } else { Colour::None }
}

/// An environment variable; empty where it is not set.
pub(super) fn variable(name: &str) -> String {
    std::env::var_os(name).map_or_else(String::new, |value| value.to_string_lossy().into_owned())
}

fn choice() -> ColourChoice {
    match CHOICE.load(Relaxed) {
        1 => ColourChoice::Always,
        2 => ColourChoice::Never,
        _ => ColourChoice::Auto,
    }
}

/// The colours of a stream under this choice and these environment variables (see <https://no-color.org>).
fn colour_of(choice: ColourChoice, is_terminal: bool, variable: impl Fn(&str) -> String) -> Colour {
    let is_coloured = match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto => is_terminal && variable("NO_COLOR").is_empty() && variable("TERM") != DUMB,
    };
    if !is_coloured {
        Colour::None
    } else if variable("TERM").contains("256color") || !variable("COLORTERM").is_empty() {
        Colour::Ansi256
    } else {
        Colour::Ansi16
    }
}

/// The type of a terminal that supports no escape sequences.
pub(super) const DUMB: &str = "dumb";

/// The [`ColourChoice`], as its number: one for the process, read wherever text is printed.
static CHOICE: AtomicU8 = AtomicU8::new(ColourChoice::Auto as u8);

/// Whether `--plain` was given.
static IS_PLAIN: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of a terminal, or of another stream, with these variables.
    fn of(choice: ColourChoice, is_terminal: bool, variables: &[(&str, &str)]) -> Colour {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map_or("", |found| found.1);
        colour_of(choice, is_terminal, |name| value(name).to_owned())
    }

    #[test]
    fn auto_follows_the_stream_and_the_environment() {
        let on_terminal = |variables: &[(&str, &str)]| of(ColourChoice::Auto, true, variables);

        assert_eq!(on_terminal(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]), Colour::None);
        assert_eq!(on_terminal(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Colour::None);
        assert_eq!(on_terminal(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Colour::Ansi256);
        assert_eq!(on_terminal(&[("TERM", "xterm")]), Colour::Ansi16);
        assert_eq!(on_terminal(&[]), Colour::Ansi16);
        assert_eq!(of(ColourChoice::Auto, false, &[("TERM", "xterm")]), Colour::None);
    }

    #[test]
    fn always_and_never_override_the_environment() {
        assert_eq!(of(ColourChoice::Always, false, &[("NO_COLOR", "1")]), Colour::Ansi16);
        assert_eq!(of(ColourChoice::Always, false, &[("TERM", "xterm-256color")]), Colour::Ansi256);
        assert_eq!(of(ColourChoice::Never, true, &[("TERM", "xterm")]), Colour::None);
    }
}

//! What a live view has changed on the terminal behind stderr, so that any end of the process can restore it.
//!
//! One atomic for the process, because signal handlers and the panic hook read it. A view sets it before it changes the terminal
//! and resets it after the terminal is restored: in between, restoring too much is harmless.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};

/// Changes of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// None.
    Usual = 0,
    /// The cursor is hidden.
    NoCursor = 1,
    /// The cursor is hidden, on the alternate screen: what was printed before returns at the end.
    FullScreen = 2,
}

impl Mode {
    /// Bytes that change the terminal.
    pub(crate) const fn begin(self) -> &'static [u8] {
        match self {
            Mode::Usual => b"",
            Mode::NoCursor => b"\x1b[?25l",
            Mode::FullScreen => b"\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J",
        }
    }

    /// Bytes that restore it. They also reset the colours of an interrupted frame.
    pub(crate) const fn end(self) -> &'static [u8] {
        match self {
            Mode::Usual => b"",
            Mode::NoCursor => b"\x1b[0m\x1b[?25h",
            Mode::FullScreen => b"\x1b[0m\x1b[?1049l\x1b[?25h",
        }
    }
}

/// Records what is changed, or about to be.
pub(crate) fn set(mode: Mode) {
    MODE.store(mode as u8, SeqCst);
}

/// What is changed at this moment.
pub(crate) fn current() -> Mode {
    match MODE.load(SeqCst) {
        1 => Mode::NoCursor,
        #[cfg(feature = "tui")]
        2 => Mode::FullScreen,
        _ => Mode::Usual,
    }
}

/// Bytes to send to the terminal before the process exits or stops, if any. Safe in signal handlers.
pub(crate) fn farewell() -> &'static [u8] {
    current().end()
}

/// Whether the process has the whole terminal, and is of no use in the background.
#[cfg(unix)]
pub(crate) fn is_full_screen() -> bool {
    MODE.load(SeqCst) == Mode::FullScreen as u8
}

/// Bytes to send to the terminal when the process continues after [`farewell`]. Safe in signal handlers.
#[cfg(unix)]
pub(crate) fn welcome() -> &'static [u8] {
    current().begin()
}

/// Records that the terminal has lost its frame: the next one is drawn in full. Safe in signal handlers.
#[cfg(unix)]
pub(crate) fn blank() {
    IS_BLANK.store(true, SeqCst);
}

/// Whether the terminal has lost its last frame since the last call.
#[cfg_attr(not(feature = "tui"), expect(dead_code, reason = "a full screen asks for it"))]
pub(crate) fn was_blanked() -> bool {
    IS_BLANK.swap(false, SeqCst)
}

/// The [`Mode`], as its number.
static MODE: AtomicU8 = AtomicU8::new(Mode::Usual as u8);

/// Whether the process was stopped and continued.
static IS_BLANK: AtomicBool = AtomicBool::new(false);

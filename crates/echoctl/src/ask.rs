//! Asking: a question with choices, answered with a letter, before an experiment shows which one is right.

use std::io::{self, BufRead, IsTerminal, Write};

use echoctl_lab::kit::Question;

/// Whether there is somebody to ask: a terminal to read from and one to write to.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Prints `question` with its choices, and waits for the answer.
///
/// # Errors
/// When the terminal cannot be written or read.
pub(crate) fn ask(question: &Question) -> io::Result<Option<char>> {
    let mut terminal = io::stderr().lock();
    writeln!(terminal, "\n{}", question.text)?;
    for (letter, choice) in question.lettered() {
        writeln!(terminal, "   {letter}) {choice}")?;
    }
    drop(terminal);
    answer(question)
}

/// Waits for the letter of a choice. Enter alone goes on without one.
///
/// # Errors
/// When the terminal cannot be written or read.
pub(crate) fn answer(question: &Question) -> io::Result<Option<char>> {
    // On stderr, so that `--json > file` still asks.
    let mut terminal = io::stderr().lock();
    let letters: Vec<String> = question.lettered().map(|(letter, _)| letter.to_string()).collect();
    loop {
        write!(terminal, "Your answer ({}; Enter to skip): ", letters.join(", "))?;
        terminal.flush()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(None);
        }
        match question.letter(&line) {
            Some(letter) => return Ok(Some(letter)),
            None => writeln!(terminal, "'{}' is none of the letters.", line.trim())?,
        }
    }
}

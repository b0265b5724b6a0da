//! Asking: a question with choices, answered with a letter, before an experiment shows which one is right.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

/// Whether there is somebody to ask: a terminal to read from and one to write to.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Prints `question` and its `choices`, and waits for one letter. Enter alone goes on without an answer.
///
/// # Errors
/// When the terminal cannot be written or read.
pub(crate) fn ask<C: Display>(question: &str, choices: &[(char, C)]) -> io::Result<Option<char>> {
    let mut terminal = io::stderr().lock();
    writeln!(terminal, "\n{question}")?;
    for (letter, choice) in choices {
        writeln!(terminal, "   {letter}) {choice}")?;
    }
    let letters = choices.iter().map(|(letter, _)| letter.to_string()).collect::<Vec<_>>().join(", ");
    loop {
        write!(terminal, "Your guess ({letters}; Enter to go on): ")?;
        terminal.flush()?;
        let mut line = String::new();
        let end = io::stdin().lock().read_line(&mut line)? == 0;
        match line.trim().to_lowercase().chars().next() {
            None => return Ok(None),
            Some(letter) if choices.iter().any(|(known, _)| *known == letter) => return Ok(Some(letter)),
            Some(_) if end => return Ok(None),
            Some(letter) => writeln!(terminal, "There is no answer '{letter}'.")?,
        }
    }
}

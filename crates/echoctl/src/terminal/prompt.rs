//! Prompts for a prediction: a question with choices, answered with a letter, before an experiment shows the result.

use std::io::{self, BufRead, IsTerminal};

use echoctl_lab::kit::{Language, Question};

use crate::output::{note, prompt};

/// Whether a user can answer: stdin and stderr are terminals.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Prints `question` with its choices and reads the answer.
///
/// # Errors
/// If the terminal cannot be written or read.
pub(crate) fn ask(question: &Question) -> io::Result<Option<char>> {
    note(format_args!("\n{}", question.text));
    for (letter, choice) in question.lettered() {
        note(format_args!("   {letter}) {choice}"));
    }
    answer(question)
}

/// Asks in which language to show the code that follows; Enter chooses the first.
///
/// # Errors
/// If the terminal cannot be written or read.
pub(crate) fn language() -> io::Result<Language> {
    let [default, others @ ..] = Language::ALL;
    let names = others.map(Language::name).join(" or ");
    prompt(format_args!("The question is about code. Enter: show it in {}; or {names}: ", default.name()));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(Language::find(&line).unwrap_or(default))
}

/// Reads the letter of a choice; `None` if the user presses only Enter.
///
/// # Errors
/// If the terminal cannot be written or read.
pub(crate) fn answer(question: &Question) -> io::Result<Option<char>> {
    // On stderr, so that it shows with `--json > file` too.
    let letters: Vec<String> = question.lettered().map(|(letter, _)| letter.to_string()).collect();
    loop {
        prompt(format_args!("Your answer ({}; Enter to skip): ", letters.join(", ")));
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(None);
        }
        match question.letter(&line) {
            Some(letter) => return Ok(Some(letter)),
            None => note(format_args!("'{}' is not one of the letters.", line.trim())),
        }
    }
}

//! Renders the usage errors that clap finds: printable, in the words of this program, with hints for frequent mistakes.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use echoctl_record::printable;

use crate::address;
use crate::cli::{built_without, called};
use crate::commands::supervise;
use crate::output::indent_continuations;

/// The text of `error` for these arguments, of which the first is the program.
pub(crate) fn render(error: clap::Error, arguments: &[String]) -> String {
    let hint = hint(&error, arguments);
    let error = printable_context(error);
    let mut text = error.render().to_string();
    // The text of a value's own parser may quote the value too.
    if let Some(source) = error.source().map(ToString::to_string) {
        text = text.replace(&source, &indent_continuations(&source));
    }
    let text = text
        .trim_end()
        .replace("\n\n  tip: ", "\nhint: ")
        .replace("unrecognized subcommand", "unknown command")
        .replace("similar subcommand", "similar command");
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    // One hint is enough. And clap suggests an argument after `--` for any unknown option, which is hardly ever the mistake.
    let is_wanted = |line: &&str| match hint {
        Some(_) => !line.starts_with("hint: "),
        None => !line.starts_with("hint: to pass '"),
    };
    let rest = rest.lines().filter(is_wanted);
    let lines = [first].into_iter().chain(hint.as_deref()).chain(rest);
    lines.collect::<Vec<_>>().join("\n")
}

/// The same error with each quoted word on one line, without control characters, and without hidden commands.
fn printable_context(mut error: clap::Error) -> clap::Error {
    let quoted: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(word) => Some((kind, ContextValue::String(printable(word).into_owned()))),
            ContextValue::Strings(words) => {
                let words = words.iter().filter(|word| *word != supervise::NAME);
                Some((kind, ContextValue::Strings(words.map(|word| printable(word).into_owned()).collect())))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    error
}

/// The remedy for an argument in the wrong place, or for a value from the environment.
fn hint(error: &clap::Error, arguments: &[String]) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let wrong = text(ContextKind::InvalidArg).or_else(|| text(ContextKind::InvalidSubcommand))?;
    if let Some(hint) = built_without::hint(wrong) {
        return Some(format!("hint: {hint}"));
    }
    if error.kind() == ErrorKind::ValueValidation {
        let value = std::env::var(address::VARIABLE).ok()?;
        let is_from_it = wrong.starts_with("--addr") && text(ContextKind::InvalidValue) == Some(&value);
        return is_from_it.then(|| format!("hint: this is the value of {}", address::VARIABLE));
    }
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let program = called();
    let command = arguments.iter().skip(1).find(|argument| !argument.starts_with('-'))?;
    let is_port_option = ["--port", "--host", "--addr", "-p"].contains(&wrong);
    // The value of the misplaced option, or the misplaced address itself.
    let mut given = arguments.iter().skip_while(|argument| *argument != wrong);
    let addr = given.find(|argument| is_address(argument)).map_or("7007", String::as_str);
    Some(match command.as_str() {
        "serve" | "dns" if is_port_option || is_address(wrong) => {
            format!("hint: the address is an option: {program} {command} --addr {}", printable(addr))
        }
        "flood" | "ping" | "send" | "watch" if is_port_option => {
            format!("hint: the address is an argument: {program} {command} {}", printable(addr))
        }
        "audit" if !wrong.starts_with('-') => {
            format!("hint: a command that starts the server goes after --: {program} audit -- CMD")
        }
        _ => return None,
    })
}

/// Whether a word looks like a port or `host:port`.
fn is_address(word: &str) -> bool {
    let port = word.rsplit_once(':').map_or(word, |(_, port)| port);
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn rendered(line: &str) -> String {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let error = Cli::complete_command("echoctl").try_get_matches_from(&arguments).expect_err(line);
        render(error, &arguments)
    }

    #[test]
    fn misspelled_words_lead_to_similar_ones() {
        let text = rendered("echoctl serv");
        assert!(text.starts_with("error: unknown command 'serv'\nhint: "), "{text}");
        assert!(text.contains("'serve'") && !text.contains("supervise"), "{text}");
        assert!(
            rendered("echoctl flood --no-raed").contains("\nhint: a similar argument exists: '--no-read'\n")
        );
    }

    #[test]
    fn arguments_in_the_wrong_place_lead_to_the_right_one() {
        for (line, remedy) in [
            ("echoctl serve 17", "serve --addr 17"),
            ("echoctl serve --port 18", "serve --addr 18"),
            ("echoctl serve --port", "serve --addr 7007"),
            ("echoctl ping --addr localhost:7", "ping localhost:7"),
            ("echoctl audit node server.js", "audit -- CMD"),
        ] {
            let text = rendered(line);
            let hint = text.lines().nth(1).unwrap_or_default();
            assert!(hint.starts_with("hint: ") && hint.ends_with(remedy), "{line}: {text}");
        }
        assert_eq!(rendered("echoctl flood --port 7").matches("hint: ").count(), 1);
        assert!(!rendered("echoctl flood 7007 --zzz x").contains("hint: "));
    }
}

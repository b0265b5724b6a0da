//! Promise: `-h` of the program and of every command fits one screen, with one line per entry, and `--help` fits its width.

use std::path::Path;

use crate::peer::{echoctl, text};

/// Lines and columns of a small terminal.
const SCREEN: (usize, usize) = (24, 80);

/// The program (an empty name) and the commands that `-h` lists.
fn commands() -> Vec<String> {
    let help = short_help("");
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        // Clap's own command has no options.
        .filter(|name| *name != "help");
    [""].into_iter().chain(names).map(str::to_owned).collect()
}

fn short_help(command: &str) -> String {
    let arguments: Vec<&str> = command.split_whitespace().chain(["-h"]).collect();
    text(&echoctl(&arguments).output().expect("the program starts").stdout)
}

/// What does not fit: the number of lines, lines that are too long, entries of more than one line.
fn problems(help: &str) -> Vec<String> {
    let (rows, columns) = SCREEN;
    let count = help.lines().count();
    let mut problems = Vec::new();
    if count > rows {
        problems.push(format!("{count} lines, at most {rows}"));
    }
    problems.extend(
        help.lines().filter(|line| line.chars().count() > columns).map(|line| format!("too long: {line}")),
    );
    // An entry begins with two blanks and its name, or six and a long option.
    let is_continuation = |line: &&str| line.starts_with("   ") && !line.trim_start().starts_with('-');
    problems.extend(help.lines().filter(is_continuation).map(|line| format!("second line: {line}")));
    problems
}

#[test]
fn short_help_fits_one_screen() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");

    for command in &commands {
        let help = short_help(command);
        let problems = problems(&help);
        assert!(problems.is_empty(), "echoctl {command} -h: {problems:#?}\n{help}");
    }
}

/// `--help` at this width. Examples call the program `echoctl`, since it is on `PATH`.
fn long_help(command: &str, columns: usize) -> String {
    let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let mut help = echoctl(&arguments);
    help.env("PATH", Path::new(env!("CARGO_BIN_EXE_echoctl")).parent().expect("a folder"));
    text(&help.env("COLUMNS", columns.to_string()).output().expect("the program starts").stdout)
}

/// The lines after the options: examples, tables and notes.
fn footer(help: &str) -> Vec<&str> {
    let options = help.lines().position(|line| line.ends_with("Print help (--help: all options, explained)"));
    help.lines().skip(options.expect("the last option") + 1).collect()
}

/// Paragraphs whose lines end earlier than they have to: they were wrapped in the source, and then once more.
fn broken_lines(help: &str) -> Vec<&str> {
    let is_prose = |line: &str| line.contains(' ') && !line.starts_with(' ') && !line.ends_with(':');
    let lines = footer(help);
    let is_broken = |pair: &[&str]| match pair {
        [line, next] if is_prose(line) && is_prose(next) => {
            let first_word = next.split(' ').next().unwrap_or_default();
            line.chars().count() + 1 + first_word.chars().count() <= SCREEN.1
        }
        _ => false,
    };
    lines.windows(2).filter(|pair| is_broken(pair)).map(|pair| pair[0]).collect()
}

#[test]
fn long_help_fits_the_width_of_a_screen() {
    let indented = |help: &str| -> Vec<String> {
        footer(help).into_iter().filter(|line| line.starts_with(' ')).map(str::to_owned).collect()
    };
    for command in &commands() {
        let help = long_help(command, SCREEN.1);

        assert_eq!(
            help.lines().find(|line| line.chars().count() > SCREEN.1),
            None,
            "echoctl {command} --help"
        );
        assert_eq!(broken_lines(&help), [""; 0], "echoctl {command} --help");
        // Examples and tables are never wrapped, so they are the same on a wide terminal.
        assert_eq!(indented(&help), indented(&long_help(command, 110)), "echoctl {command} --help");
    }
}

#[test]
fn a_line_that_is_broken_early_is_found() {
    let footer = "  -h, --help\n          Print help (--help: all options, explained)\n\nUntil the timeout\nor the end.\n";

    assert_eq!(broken_lines(footer), ["Until the timeout"]);
}

#[test]
fn help_is_printed_by_command_and_by_option() {
    for command in commands().iter().filter(|name| !name.is_empty()) {
        let by_command = echoctl(&["help", command]).output().expect("the program starts");
        let by_option = echoctl(&[command, "--help"]).output().expect("the program starts");

        assert_eq!(by_command.status.code(), Some(0), "help {command}");
        assert_eq!(text(&by_command.stdout), text(&by_option.stdout), "{command}");
    }
}

#[test]
fn the_version_has_two_short_options() {
    let versions = ["--version", "-V", "-v"]
        .map(|option| text(&echoctl(&[option]).output().expect("the program starts").stdout));

    assert_eq!(versions, [const { concat!("echoctl ", env!("CARGO_PKG_VERSION"), "\n") }; 3]);
}

#[test]
fn colours_follow_the_option() {
    let coloured = |color: &str| {
        let error = echoctl(&["--color", color, "sevre"]).output().expect("the program starts");
        let help = echoctl(&["ping", "-h", "--color", color]).output().expect("the program starts");
        assert_eq!(error.status.code(), Some(2));
        (
            text(&error.stderr).contains("\x1b[1;31merror:\x1b[0m"),
            text(&help.stdout).contains("\x1b[1mLoad:\x1b[0m"),
        )
    };

    assert_eq!(coloured("always"), (true, true));
    assert_eq!(coloured("never"), (false, false));
    assert_eq!(coloured("auto"), (false, false), "a pipe is not a terminal");
    let plain = ["--color", "always", "report", "missing.json", "--plain"];
    assert!(!text(&echoctl(&plain).output().expect("the program starts").stderr).contains('\x1b'));
}

#[cfg(unix)]
#[test]
fn hints_name_the_program_as_it_was_called() {
    use std::os::unix::process::CommandExt;

    let (_held, addr) = crate::peer::closed_addr();
    for name in ["echoctl", "./target/release/echoctl"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_echoctl"));
        let output = command.arg0(name).args(["ping", &addr]).output().expect("the program starts");

        let error = text(&output.stderr);
        assert!(error.contains(&format!("to start a server: {name} serve --addr {addr}\n")), "{error}");
    }
}

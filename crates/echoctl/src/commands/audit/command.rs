//! The command line of this audit, or of one with another stimulus, as text to paste into a shell.

use crate::cli::{called, quoted};

/// This audit again.
pub(super) fn this() -> String {
    line(called(), given())
}

/// This audit with changes. Whatever is not changed stays as it was given.
pub(super) fn changed(change: &Change<'_>) -> String {
    line(called(), replaced(given(), change))
}

/// What is different in another audit.
#[derive(Debug, Default)]
pub(super) struct Change<'a> {
    /// The options in place of those that chose what was sent.
    pub(super) stimulus: Option<&'a [&'a str]>,
    /// Options in addition.
    pub(super) more: &'a [&'a str],
    /// The address in place of the given one.
    pub(super) addr: Option<&'a str>,
    /// The address as it was given.
    pub(super) given_addr: Option<&'a str>,
}

/// The words of the command line, without the program.
fn given() -> Vec<String> {
    if cfg!(test) {
        // The tests are not started as an audit.
        return vec![NAME.to_owned()];
    }
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn replaced(words: Vec<String>, change: &Change<'_>) -> Vec<String> {
    let (options, command) = words.split_at(command_in(&words));
    let name = options.iter().position(|word| word == NAME).map_or(0, |at| at + 1);
    let (before, options) = options.split_at(name);
    let mut options = match change.stimulus {
        Some(stimulus) => {
            let own = stimulus.iter().map(|&word| word.to_owned());
            own.chain(kept(options, change.is_http())).collect()
        }
        None => options.to_vec(),
    };
    if let Some(addr) = change.addr {
        match options.iter_mut().rfind(|word| Some(word.as_str()) == change.given_addr) {
            Some(word) => addr.clone_into(word),
            None => options.push(addr.to_owned()),
        }
    }
    let more = change.more.iter().map(|&word| word.to_owned());
    before.iter().cloned().chain(more).chain(options).chain(command.iter().cloned()).collect()
}

impl Change<'_> {
    /// Whether requests over HTTP are sent, for which headers that were given are valid.
    fn is_http(&self) -> bool {
        let words = self.stimulus.into_iter().flatten().copied().chain(self.addr);
        words.into_iter().any(|word| HTTP.iter().any(|start| word.starts_with(start)))
    }
}

/// The words as a shell reads them. A command that fits no line is only named.
fn line(program: &str, mut words: Vec<String>) -> String {
    let command = command_in(&words) + 1;
    if words.get(command..).is_some_and(|command| !is_short(command)) {
        words.truncate(command);
        words.push("CMD".to_owned());
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{program} {}", words.join(" "))
}

/// Where the `--` before the server's command is, or the end.
fn command_in(words: &[String]) -> usize {
    words.iter().position(|word| word == "--").unwrap_or(words.len())
}

/// The options without those that choose the stimulus, and without their values.
fn kept(options: &[String], is_http: bool) -> Vec<String> {
    let mut kept = Vec::new();
    let mut options = options.iter();
    while let Some(word) = options.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if WITH_VALUE.contains(&name) || name == HEADER && !is_http {
            if name == word {
                options.next();
            }
        } else if !WITHOUT_VALUE.contains(&name) {
            kept.push(word.clone());
        }
    }
    kept
}

fn is_short(command: &[String]) -> bool {
    let length: usize = command.iter().map(|word| word.chars().count() + 1).sum();
    length <= LONGEST_COMMAND && !command.iter().any(|word| word.contains(char::is_control))
}

/// The subcommand.
const NAME: &str = "audit";

/// The options that choose what is sent, …
const WITH_VALUE: [&str; 8] =
    ["--preset", "--script", "--request", "--body", "--grpc", "--message", "--streams", "--stall"];

/// … and how often or over what.
const WITHOUT_VALUE: [&str; 3] = ["--once", "--repeat", "--http2"];

/// An option that stays valid from one request over HTTP to another.
const HEADER: &str = "--header";

/// How presets and URLs of HTTP begin.
const HTTP: [&str; 4] = ["http", "sse", "ws", "websocket"];

/// Characters of a command that is repeated: what people type or keep in a CI file. Generated ones can be much longer.
const LONGEST_COMMAND: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(words: &[&str], stimulus: &[&str]) -> String {
        change(words, &Change { stimulus: Some(stimulus), ..Change::default() })
    }

    fn change(words: &[&str], change: &Change<'_>) -> String {
        line("echoctl", replaced(words.iter().map(|&word| word.to_owned()).collect(), change))
    }

    #[test]
    fn the_address_is_replaced_or_added() {
        for (given, given_addr, stimulus, expected) in [
            (&["audit", "8443"][..], "8443", None, "audit https://h/"),
            (
                &["audit", "--preset", "sse:/a", "8443", "-J"],
                "8443",
                None,
                "audit --preset sse:/a https://h/ -J",
            ),
            (&["audit", "-n", "8443", "8443"], "8443", None, "audit -n 8443 https://h/"),
            (&["audit", "--", "node", "8443"], "", None, "audit https://h/ -- node 8443"),
            (
                &["audit", "http://h", "--http2", "--header", "a: b"],
                "http://h",
                Some(&[][..]),
                "audit https://h/ --header 'a: b'",
            ),
        ] {
            let addr = Some("https://h/");
            let changed = change(given, &Change { stimulus, addr, given_addr: Some(given_addr), more: &[] });
            assert_eq!(changed, format!("echoctl {expected}"));
        }
    }

    #[test]
    fn headers_stay_where_they_are_valid() {
        let given = ["audit", "--header", "a: b", "--body", "c", "8080"];

        assert_eq!(
            with(&given, &["--preset", "http-get:/"]),
            "echoctl audit --preset http-get:/ --header 'a: b' 8080"
        );
        assert_eq!(with(&given, &["--preset", "redis-get:k"]), "echoctl audit --preset redis-get:k 8080");
    }

    #[test]
    fn the_stimulus_is_replaced_and_all_else_is_kept() {
        let http = ["--preset", "http-get:/"];
        for (given, expected) in [
            (&["audit", "--", "node", "server.js"][..], "audit --preset http-get:/ -- node server.js"),
            (&["audit", "--preset", "raw", "8080"], "audit --preset http-get:/ 8080"),
            (&["audit", "8080", "--preset=raw", "-c", "4"], "audit --preset http-get:/ 8080 -c 4"),
            (
                &["audit", "--request", "a b", "--once", "--expect", "bounded", "--", "x", "--once"],
                "audit --preset http-get:/ --expect bounded -- x --once",
            ),
        ] {
            assert_eq!(with(given, &http), format!("echoctl {expected}"));
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let text = with(&["audit", "--", "sh", "-c", "exec node 'a b.js'"], &["--request", r"stats\r\n"]);

        assert_eq!(text, r"echoctl audit --request 'stats\r\n' -- sh -c 'exec node '\''a b.js'\'''");
    }

    #[test]
    fn a_command_that_does_not_fit_a_line_is_named() {
        for long in ["a\nb", &"x".repeat(301)] {
            assert_eq!(with(&["audit", "--", "sh", "-c", long], &[]), "echoctl audit -- CMD");
        }
    }
}

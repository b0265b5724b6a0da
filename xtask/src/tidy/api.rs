//! What a library offers: every name has a user, and every error has a type.
//!
//! - Each name that a `lib.rs` exports with `pub use` is used by another crate, or by an example or a test of its own, or it is the type of
//!   something that is: what has no user is not an interface.
//! - No public function returns `Result<_, String>`: a caller cannot match on a sentence.

use std::collections::HashSet;

use super::Finding;
use super::source::has_word;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let code = || tree.rust().filter(|file| file.path.starts_with("crates/") && !file.is_test());
    let unused = code().filter(|file| file.path.ends_with("/src/lib.rs")).flat_map(|file| unused(tree, file));
    unused.chain(code().flat_map(untyped_errors)).collect()
}

fn unused(tree: &Tree, lib: &File) -> Vec<Finding> {
    let inside = lib.path.trim_end_matches("lib.rs");
    let name = format!("echoctl_{}", lib.member());
    let users = tree.rust().filter(|file| !file.path.starts_with(inside) && file.text.contains(&name));
    let used: HashSet<&str> =
        users.flat_map(|file| file.source().lines()).flat_map(|(_, line)| names(line)).collect();
    let offered: HashSet<&str> =
        tree.rust().filter(|file| file.path.starts_with(inside)).flat_map(offered).flat_map(names).collect();
    let is_used = |name: &str| {
        let is_type =
            name.contains(|c: char| c.is_lowercase()) && name.starts_with(|c: char| c.is_uppercase());
        used.contains(name) || is_type && offered.contains(name)
    };
    let unused = exports(lib).into_iter().filter(|(_, name)| !is_used(name));
    let finding = |(number, name): (usize, String)| {
        let what = format!("no other crate uses `{name}`");
        Finding::new(&lib.path, number, what, "make it `pub(crate)`, or delete it if nothing else uses it")
    };
    unused.map(finding).collect()
}

/// The names in a line of code.
fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The signatures, fields, variants and errors in which a public type of the file may be met without its name.
fn offered(file: &File) -> Vec<&str> {
    let source = file.source();
    let (mut offered, mut in_signature, mut in_enum) = (Vec::new(), false, false);
    for (_, line) in source.without_tests() {
        let trimmed = line.trim_start();
        let is_public = trimmed.starts_with("pub ");
        in_signature = (in_signature && !trimmed.is_empty()) || (is_public && trimmed.contains("fn "));
        in_enum = (in_enum && line != "}") || line.starts_with("pub enum") || line.starts_with("pub trait");
        let is_definition =
            ["pub use", "pub struct", "pub enum"].iter().any(|start| trimmed.starts_with(start));
        if (is_public || in_signature || in_enum || trimmed.starts_with("type ")) && !is_definition {
            offered.push(line);
        }
        in_signature = in_signature && !line.ends_with(['{', ';', '}']);
    }
    offered
}

/// The names that a `lib.rs` exports with `pub use`, with their lines.
fn exports(lib: &File) -> Vec<(usize, String)> {
    let (mut names, mut in_list) = (Vec::new(), false);
    for (number, line) in lib.source().lines() {
        let Some(rest) = line.strip_prefix("pub use ").or(in_list.then_some(line)) else { continue };
        in_list = !rest.contains(';');
        let list = rest.rsplit_once('{').map_or(rest, |(_, list)| list);
        for name in list.split(',') {
            let name = name.rsplit(" as ").next().unwrap_or_default();
            let name =
                name.rsplit("::").next().unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric());
            if !name.is_empty() {
                names.push((number, name.to_owned()));
            }
        }
    }
    names
}

fn untyped_errors(file: &File) -> Vec<Finding> {
    let source = file.source();
    let lines: Vec<(usize, &str)> = source.without_tests().collect();
    let mut findings = Vec::new();
    for (at, (number, line)) in lines.iter().enumerate() {
        if !(has_word(line, "pub fn") || has_word(line, "pub const fn") || has_word(line, "pub async fn")) {
            continue;
        }
        let signature: String =
            lines[at..].iter().map(|(_, line)| *line).take_while(|line| !line.is_empty()).collect();
        let end = signature.find(['{', ';']).unwrap_or(signature.len());
        if error_of(&signature[..end]).is_some_and(|error| error == "String") {
            let remedy = "return a variant of the crate's error enum, or an error type of its own";
            findings.push(Finding::new(&file.path, *number, "the error is a `String`", remedy));
        }
    }
    findings
}

/// The error type of the result that a signature returns.
fn error_of(signature: &str) -> Option<&str> {
    let (_, arguments) = signature.rsplit_once("-> ")?.1.split_once("Result<")?;
    let mut depth = 0;
    let mut last = 0;
    for (at, c) in arguments.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if depth == 0 => return Some(arguments[last..at].trim()),
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 && !arguments[at + 1..].trim_start().starts_with('>') => last = at + 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn an_export_without_a_user_outside_is_found() {
        let lib =
            "//! Docs.\nmod a;\npub use a::{Used, Unused,\n    Shown as Exampled};\npub use a::lonely;\n";
        let files = [
            ("crates/x/src/lib.rs", lib),
            ("crates/x/src/a.rs", "use crate::Unused; // echoctl_x\n"),
            ("crates/x/examples/e.rs", "use echoctl_x::Exampled;\n"),
            ("crates/y/src/b.rs", "use echoctl_x::Used; // Not lonely.\n"),
            ("crates/y/src/c.rs", "fn lonely() {}\n"),
        ];

        assert_eq!(places(check, &files), ["crates/x/src/lib.rs:3", "crates/x/src/lib.rs:5"]);
    }

    #[test]
    fn a_public_function_whose_error_is_a_sentence_is_found() {
        let text = "pub fn a() -> Result<u8, String> {\n}\n\
                    pub fn b(\n    x: u8,\n) -> io::Result<Vec<(u8, String)>> {\n}\n\
                    fn c() -> Result<u8, String> {}\n\
                    pub fn d(\n    x: u8,\n) -> Result<Vec<u8>, String>;\n\
                    pub fn e(f: impl Fn() -> Result<u8, String>) -> u8 {}\n";

        assert_eq!(
            places(check, &[("crates/x/src/a.rs", text)]),
            ["crates/x/src/a.rs:1", "crates/x/src/a.rs:8"]
        );
    }
}

//! Rust text with blank comments and literals: only code remains, on the same lines as before.
//!
//! ```text
//! text   println!("unsafe"); // unsafe
//! code   println!("      ");
//! ```
//!
//! It knows as much of Rust's lexical structure as that needs: comments (nested too), strings (raw and escaped),
//! characters, and that `'a` without a second quote is a lifetime. It does not parse.

/// The code and the literals of one file, line by line.
#[derive(Debug)]
pub(super) struct Source {
    code: Vec<String>,
    literals: Vec<String>,
}

impl Source {
    pub(super) fn of(text: &str) -> Source {
        let lines = |kind| only(kind, text).lines().map(str::to_owned).collect();
        Source { code: lines(Kind::Code), literals: lines(Kind::Literal) }
    }

    /// The lines of code, counted from 1, without a `#[cfg(test)] mod` at the end of the file.
    pub(super) fn without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().take(self.tests())
    }

    /// The literals of [`without_tests`](Source::without_tests), with their quotes.
    pub(super) fn literals_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.literals[..self.tests()].iter().map(String::as_str))
    }

    /// The number of lines before a `#[cfg(test)] mod`.
    fn tests(&self) -> usize {
        let is_start = |lines: &[String]| {
            let is_of_tests =
                ["#[cfg(test)]", "#[cfg(all(test,"].iter().any(|cfg| lines[0].trim_start().starts_with(cfg));
            is_of_tests
                && lines
                    .iter()
                    .skip(1)
                    .find(|line| !line.starts_with("#["))
                    .is_some_and(|line| line.starts_with("mod "))
        };
        (0..self.code.len()).find(|&at| is_start(&self.code[at..])).unwrap_or(self.code.len())
    }

    /// All lines of code, counted from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.iter().map(String::as_str))
    }
}

/// Whether `code` contains `word` as a whole word. The word may be a path (`std::net`) or
/// end with a mark (`println!`).
pub(super) fn has_word(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let grows_left = code[..at].chars().next_back().is_some_and(is_name);
        let grows_right = word.ends_with(is_name) && code[at + word.len()..].starts_with(is_name);
        !(grows_left || grows_right)
    })
}

#[derive(PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The text with everything else replaced by blanks.
fn only(wanted: Kind, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut before) = (text, None);
    while let Some(first) = rest.chars().next() {
        let (kind, length) = match opaque(rest, before) {
            Some(length) if first == '/' => (Kind::Comment, length),
            Some(length) => (Kind::Literal, length),
            None => (Kind::Code, first.len_utf8()),
        };
        let (piece, after) = rest.split_at(length);
        if kind == wanted {
            out.push_str(piece);
        } else {
            out.extend(piece.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        (rest, before) = (after, piece.chars().next_back());
    }
    out
}

/// The length of the comment or literal at the start of `rest`, if there is one. `before` is the character before it.
fn opaque(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let is_part_of_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let unprefixed = rest.strip_prefix('b').or(rest.strip_prefix('c')).unwrap_or(rest);
    if !is_part_of_name && unprefixed.starts_with('r') {
        let hashes = unprefixed[1..].bytes().take_while(|&byte| byte == b'#').count();
        let open = rest.len() - unprefixed.len() + 1 + hashes;
        if rest[open..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = &rest[open + 1..];
            return Some(body.find(&close).map_or(rest.len(), |at| open + 1 + at + close.len()));
        }
    }
    match rest.chars().next()? {
        '"' => Some(quoted(rest, '"')),
        '\'' => {
            // A lifetime has no closing quote after its first character; a character literal has one, or starts with a backslash.
            let mut inside = rest[1..].chars();
            let (first, second) = (inside.next()?, inside.next());
            (first == '\\' || second == Some('\'')).then(|| quoted(rest, '\''))
        }
        _ => None,
    }
}

/// The length of a literal from its opening to its closing `mark`.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of a block comment, in which others may be nested.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        only(Kind::Code, text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        assert_eq!(code("a // b"), "a");
        assert_eq!(code("a /* b /* c */ d */ e"), "a e");
        assert_eq!(code(r#"a("b \" c", d)"#), "a( , d)");
        assert_eq!(code(r##"a(r#"b " c"#, br"d", e)"##), "a( , , e)");
        assert_eq!(code(r"a('b', '\'', b'\\', c)"), "a( , , b , c)");
    }

    #[test]
    fn lifetimes_and_names_that_end_with_r_are_code() {
        assert_eq!(code("fn a<'b>(c: &'b str) {}"), "fn a<'b>(c: &'b str) {}");
        assert_eq!(code(r#"let her = bar; f("x")"#), "let her = bar; f( )");
    }

    #[test]
    fn lines_keep_their_numbers() {
        let source = Source::of("one\n/* two\nthree */\n\"four\nfive\"\nsix");
        let six = source.lines().find(|(_, line)| *line == "six");

        assert_eq!(six, Some((6, "six")));
    }

    #[test]
    fn tests_at_the_end_of_a_file_can_be_left_out() {
        for cfg in ["#[cfg(test)]", "#[cfg(all(test, unix))]"] {
            let source =
                Source::of(&format!("a\n#[cfg(test)]\nfn helper() {{}}\nb\n{cfg}\nmod tests {{\nc\n}}\n"));
            let lines: Vec<_> = source.without_tests().map(|(_, line)| line).collect();

            assert_eq!(lines, ["a", "#[cfg(test)]", "fn helper() {}", "b"], "{cfg}");
        }
    }

    #[test]
    fn a_word_is_not_found_within_another() {
        assert!(has_word("unsafe { x }", "unsafe"));
        assert!(has_word("use std::net::TcpStream;", "std::net"));
        assert!(has_word("println!(x)", "println!"));
        assert!(!has_word("eprintln!(x)", "println!"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
    }
}

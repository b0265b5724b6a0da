//! The words that people read in a file: comments and literals of Rust, and all words of other files.
//!
//! ```text
//! text    f("is it?"); // So it
//!         // is.
//! tokens  · " is it ? " · / / so it is .
//! ```
//!
//! Code ends a phrase, and so does a punctuation mark; the end of a line does not. Text in backticks is one token without
//! meaning, since it may be a name chosen elsewhere.

use super::tree::File;

/// A word in lower case, or a mark: any character that is not part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphanumeric() || c == '`')
    }
}

/// The tokens of a file.
pub(super) fn tokens(file: &File) -> Vec<Token> {
    let text = if file.path.ends_with(".rs") { prose_of_rust(file) } else { file.text.clone() };
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while let Some(&first) = chars.get(at) {
        let length = length(&chars[at..]);
        let is_paragraph = first == '\n' && at + 1 < chars.len() && line_is_empty(&chars[at + 1..]);
        if is_paragraph || !first.is_whitespace() {
            let text: String = chars[at..at + length].iter().collect();
            let text = if text.len() > 1 && first == '`' { "`".to_owned() } else { text.to_lowercase() };
            let is_repeated = text == CODE && tokens.last().is_some_and(|last: &Token| last.text == CODE);
            if !is_repeated {
                tokens.push(Token { text: if is_paragraph { CODE.to_owned() } else { text }, line });
            }
        }
        line += chars[at..at + length].iter().filter(|&&c| c == '\n').count();
        at += length;
    }
    tokens
}

/// Stands for code between texts.
const CODE: &str = "\u{1}";

/// The length in characters of the token at the front.
fn length(rest: &[char]) -> usize {
    let is_in_word = |c: char| c.is_alphanumeric() || "_'’-".contains(c);
    match rest[0] {
        '`' => {
            let span = rest[1..].iter().take(LONGEST_SPAN);
            let end = span.take_while(|&&c| c != '\u{1}').position(|&c| c == '`');
            end.filter(|&end| end > 0).map_or(1, |end| end + 2)
        }
        // An argument of a format string, which is code.
        '{' => {
            let argument =
                rest[1..].iter().take_while(|&&c| is_in_word(c) || ".:?#$<>^*+".contains(c)).count();
            if rest.get(argument + 1) == Some(&'}') { argument + 2 } else { 1 }
        }
        // An escape in a literal: its letter is not part of the word after it.
        '\\' => rest.len().min(2),
        c if c.is_alphanumeric() => rest.iter().take_while(|&&c| is_in_word(c)).count(),
        _ => 1,
    }
}

/// Maximum length of code in backticks, in characters; longer than that, it is a stray backtick.
const LONGEST_SPAN: usize = 300;

fn line_is_empty(rest: &[char]) -> bool {
    rest.iter().take_while(|&&c| c != '\n').all(|c| c.is_whitespace())
}

/// The comments and literals, with each character of code replaced by [`CODE`], and without the leaders of comments.
fn prose_of_rust(file: &File) -> String {
    let mut out = String::with_capacity(file.text.len());
    for (line, (_, code)) in file.text.lines().zip(file.source().lines()) {
        let is_code = |code: char| !code.is_whitespace();
        let prose: String =
            line.chars().zip(code.chars()).map(|(c, code)| if is_code(code) { '\u{1}' } else { c }).collect();
        let prose = prose.trim();
        let prose = if prose.starts_with("//") { prose.trim_start_matches(['/', '!']) } else { prose };
        // A literal that continues in the next line.
        out.push_str(prose.strip_suffix('\\').unwrap_or(prose));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;

    fn read(path: &str, text: &str) -> String {
        let tree = Tree::of(&[(path, text)]);
        let tokens = tokens(&tree.files()[0]);
        tokens.iter().map(|token| token.text.replace(CODE, "·")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_of_rust_are_read() {
        assert_eq!(read("a.rs", "f(\"is it?\"); // So it\n// is.\n"), "· \" is it ? \" · / / so it is .");
        assert_eq!(read("a.rs", "//! One\n//!\n//! `Two x` it's\n"), "one · ` it's");
        assert_eq!(read("a.rs", "\"one\\ntwo \\\n   three\""), "\" one \\n two three \"");
        assert_eq!(read("a.rs", "\"{one}: {two:?} {3\""), "\" {one} : {two:?} { 3 \"");
    }

    #[test]
    fn other_text_is_read_as_it_is() {
        assert_eq!(read("a.md", "A `b c`\nd.\n\n``` x"), "a ` d . · ` ` ` x");
    }

    #[test]
    fn tokens_know_their_lines() {
        let tree = Tree::of(&[("a.md", "one `two\nthree`\nfour")]);
        let last = tokens(&tree.files()[0]).pop();

        assert_eq!(last, Some(Token { text: "four".to_owned(), line: 3 }));
    }
}

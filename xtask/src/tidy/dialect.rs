//! Phrases that an English reader stumbles over, in comments, literals, docs and manifests.
//!
//! A phrase is a sequence of words. Each is a word, one of several (`a|b`), or any word (`*`). A word that must
//! not follow is written `!a|b`; one that must not be among the five before, `^a|b`. Names in code are ignored, and so is
//! text in backticks, such as the phrases in this file.

use std::collections::HashMap;

use super::Finding;
use super::text::{Token, tokens};
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let phrases = by_first_word();
    tree.files().iter().filter(|file| is_read(file)).flat_map(|file| findings(file, &phrases)).collect()
}

fn is_read(file: &File) -> bool {
    let is_schema = file.path.starts_with("crates/echoctl/schema/");
    is_schema || [".rs", ".md", ".toml"].iter().any(|end| file.path.ends_with(end))
}

/// What is written, and what to write instead.
type Phrase = (&'static str, &'static str);

/// The phrases that may begin with a word.
fn by_first_word() -> HashMap<&'static str, Vec<&'static Phrase>> {
    let mut phrases: HashMap<_, Vec<_>> = HashMap::new();
    for phrase in PHRASES {
        let mut patterns = phrase.0.trim_matches('`').split(' ');
        let first = patterns.find(|pattern| !pattern.starts_with('^')).unwrap_or_default();
        for word in first.split('|') {
            phrases.entry(word).or_default().push(phrase);
        }
    }
    phrases
}

fn findings(file: &File, phrases: &HashMap<&str, Vec<&Phrase>>) -> Vec<Finding> {
    let tokens = tokens(file);
    let mut findings = Vec::new();
    for at in 0..tokens.len() {
        let begun = phrases.get(tokens[at].text.as_str()).into_iter().flatten();
        let listed = begun.filter_map(|(phrase, better)| Some((matched(phrase, &tokens, at)?, *better)));
        let free = free_relative(&tokens, at).map(|length| (length, FREE_RELATIVE));
        let each = distributive(&tokens, at).map(|length| (length, DISTRIBUTIVE));
        if let Some((length, better)) = listed.chain(free).chain(each).next() {
            let words: Vec<&str> = tokens[at..at + length].iter().map(|token| token.text.as_str()).collect();
            let remedy = format!("write {better}");
            findings.push(Finding::new(
                &file.path,
                tokens[at].line,
                format!("`{}`", words.join(" ")),
                remedy,
            ));
        }
    }
    findings
}

/// How many tokens at `at` are the phrase, if they are.
fn matched(phrase: &str, tokens: &[Token], at: usize) -> Option<usize> {
    let mut length = 0;
    for pattern in phrase.trim_matches('`').split(' ') {
        let next = tokens.get(at + length).map_or("", |token| &token.text);
        if let Some(before) = pattern.strip_prefix('^') {
            let near = tokens[..at].iter().rev().take(5).take_while(|token| token.is_word());
            if near.into_iter().any(|token| is_any(before, &token.text)) {
                return None;
            }
        } else if let Some(after) = pattern.strip_prefix('!') {
            if is_any(after, next) {
                return None;
            }
        } else if is_any(pattern, next) || (pattern == "*" && tokens.get(at + length)?.is_word()) {
            length += 1;
        } else {
            return None;
        }
    }
    Some(length)
}

fn is_any(words: &str, word: &str) -> bool {
    words.split('|').any(|one| one == word)
}

/// A relative clause without the person: at the beginning of a sentence that is not a question.
fn free_relative(tokens: &[Token], at: usize) -> Option<usize> {
    let begins = at == 0 || !tokens[at - 1].is_word() && !["'", "-"].contains(&tokens[at - 1].text.as_str());
    let is_verb = tokens.get(at + 1).is_some_and(|next| next.is_word() && next.text != "`");
    if !begins || !is_verb || tokens[at].text != "who" || at > 0 && tokens[at - 1].text == "," {
        return None;
    }
    let end =
        tokens[at..].iter().find(|token| !token.is_word() && ",;()'\"%/".find(&token.text).is_none())?;
    (end.text != "?").then_some(2)
}

const FREE_RELATIVE: &str = "the role: a client that, a peer that, you";

/// One thing for each of another, without the word `per`. What comes after the second article is not a time.
fn distributive(tokens: &[Token], at: usize) -> Option<usize> {
    let word = |at: usize| tokens.get(at).filter(|token| token.is_word()).map(|token| token.text.as_str());
    let first = word(at)?;
    let is_count = is_any(ARTICLES, first) || first.parse::<f64>().is_ok();
    let gives = at > 0 && is_any(TWO_OBJECTS, word(at - 1).unwrap_or_default());
    if !is_count || gives || word(at + 1)? == "few" {
        return None;
    }
    (2..=3)
        .find(|&length| {
            let article = word(at + length).unwrap_or_default();
            let noun = word(at + length + 1).unwrap_or_default();
            let between = (1..length).all(|step| word(at + step).is_some_and(|word| !is_any(JOINTS, word)));
            between && is_any("a|an", article) && is_any(COUNTED, noun)
        })
        .map(|length| length + 2)
}

const DISTRIBUTIVE: &str = "per: one … per …";

const ARTICLES: &str = "a|an|one|two|three|four|some|no";

/// Words after which two nouns in a row are two objects, or two clauses.
const TWO_OBJECTS: &str = "give|gives|gave|given|giving|send|sends|sent|cost|costs|show|shows|make|makes|call|calls|called|\
                           offer|offers|hand|hands|leave|leaves|left|tell|grant|grants|lend|lends|save|saves|spare|spares|\
                           allow|allows|as|than|if|when|once";

/// Words after which a new phrase begins.
const JOINTS: &str = "that|which|of|to|in|on|for|by|with|from|as|is|and|or|than|at|into|has|have|when|where|if|was|are|\
                      reads|writes|sends|takes|gives|makes|needs|gets|per|but|not|closes|holds|finds|meets|over|starts|start|keep|keeps|without|ended|closed|opened|ends|cover|covers|got";

/// What this project counts things by. Times are not among them: `64 MiB a second` is good English.
const COUNTED: &str = "connection|line|frame|thread|core|crate|file|process|peer|client|server|socket|message|read|write|\
                       command|request|reply|lesson|worker|sample|byte|row|page|commit|case|name|step|call|run|\
                       processor|cpu|host|table|target|kind|reader|producer|consumer|place|policy|side";

/// Each begins with a word, or with one of several.
const PHRASES: &[Phrase] = &[
    (
        "`^not|ever|quite|nearly so many|much|often !as|that|better|the|so|more|easier`",
        "a number noun: number of, maximum, interval, this much",
    ),
    ("`so long !as|that|ago`", "a number noun: duration, this long"),
    (
        "`^there|there's|here is|are|was|were no !longer|more|less|larger|better|worse|different|other|need|fewer|smaller|faster|slower|higher|later|matter|doubt|greater|wider|earlier|one|loss|gain|help|exception`",
        "not a, unknown, invalid",
    ),
    ("`^there|there's is|are|was|were none !of|the`", "is not one, or the adjective"),
    ("`means|mean nothing`", "has no effect"),
    ("`makes|make|made no sense`", "is invalid, has no effect"),
    ("`cannot be meant`", "is not supported, is invalid"),
    (
        "`^user nobody|nobody's|somebody|somebody's|whoever|whomever|whosoever|anybody|everybody`",
        "the role: peer, client, user, caller, listener",
    ),
    ("`owe|owes|owed|owing`", "pending, unread"),
    ("`stand|stands|stood|standing in !for|line|the`", "is in"),
    ("`stand|stands|stood|standing in the !way`", "is in"),
    ("`stand|stands|stood|standing still`", "stalled, hung, deadlocked"),
    ("`stillness`", "stall"),
    ("`passes|pass|passed the maximum|limit`", "exceeds"),
    ("`dear|dearer|dearest`", "expensive"),
    ("`anew`", "again, from scratch"),
    ("`cure|cures|cured`", "fix"),
    ("`without a word`", "silently"),
    ("`in vain`", "without a result"),
    ("`bear|bears|borne !out`", "tolerate, allow, support"),
    ("`read|reads|reading out !of|the|as|a|by`", "drain"),
    ("`victim|victims|victim's`", "slow reader"),
    ("`to be had`", "available"),
    (
        "`^leave|leaves|left|leaving|let|lets|stand|run|runs|ran|is|are|be|was|it|them alone !in|among|with`",
        "only, before the noun",
    ),
    ("`told !apart|from`", "given, shown, printed, reported"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    /// The phrases found in a text. It is in backticks here: this file must pass its own rule.
    fn found(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("a.md", text.trim_matches('`'))]);
        check(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn the_dialect_is_found() {
        for (text, phrase) in [
            ("`Send so many bytes`", "`so many`"),
            ("`for so long`", "`so long`"),
            ("`print a line so often`", "`so often`"),
            ("`'x' is no framing`", "`is no`"),
            ("`what is none`", "`is none`"),
            ("`it means nothing here`", "`means nothing`"),
            ("`options that make no sense`", "`make no sense`"),
            ("`Nobody reads.`", "`nobody`"),
            ("`as whoever reads it knows`", "`whoever`"),
            ("`It waits. Who writes fast, waits.`", "`who writes`"),
            ("`with a task a connection`", "`a task a connection`"),
            ("`one JSON object a line`", "`one json object a line`"),
            ("`128 KiB a connection`", "`128 kib a connection`"),
            ("`what it is owed`", "`owed`"),
            ("`it stands in a queue`", "`stands in`"),
            ("`it stood still`", "`stood still`"),
            ("`a frame passes the maximum`", "`passes the maximum`"),
            ("`start anew`", "`anew`"),
            ("`dropped without a word`", "`without a word`"),
            ("`the house rules alone`", "`alone`"),
            ("`so\n  many over two lines`", "`so many`"),
        ] {
            assert!(found(text).contains(&phrase.to_owned()), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn good_english_is_not() {
        for text in [
            "64 MiB a second, 20 samples a second, once a minute, a thousand a day",
            "so long as it reads; so much that it fails; so that; not so much a queue as a pipe",
            "there is no queue; there was no reply; it is no longer read; it is no more than 4 KiB; there is none",
            "none of them; is none of these; is nothing lost?",
            "Who listens? Which process, the one who asks?",
            "gives a peer a frame; costs a server a thread; as a client a server trusts",
            "leave other files alone; let alone; it runs alone",
            "a read of a frame; a client and a server; sends a frame; reads a line",
            "so_many, is_none, owed_bytes",
            "pid 7, user nobody (the name of a user); it can be told apart; in the stands; stand in for another",
            "a peer closes a connection; a thread reads a frame; one thread per connection",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(found("an error such as `'x' is no framing`, or `whoever`."), Vec::<String>::new());
    }

    #[test]
    fn comments_literals_and_manifests_are_read_and_code_is_not() {
        let word = "`anew`".trim_matches('`');
        let code = "//! Docs.\nlet WORD = 1; // WORD\nf(\"WORD\");\n".replace("WORD", word);
        let text = format!("# {word}\n");
        let files = [("crates/a/src/a.rs", code.as_str()), ("crates/a/Cargo.toml", &text), ("a.txt", &text)];

        assert_eq!(
            places(check, &files),
            ["crates/a/src/a.rs:2", "crates/a/src/a.rs:3", "crates/a/Cargo.toml:1"]
        );
    }

    #[test]
    fn a_finding_names_the_better_words() {
        let tree = Tree::of(&[("a.md", "`start anew`".trim_matches('`'))]);

        assert!(check(&tree)[0].to_string().ends_with("remedy: write again, from scratch"));
    }
}

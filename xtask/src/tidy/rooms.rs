//! What each crate leaves to another: the command line to `echoctl`, the kernel to `observe`, and the rules to `verdict`.
//!
//! - A **flag** in a text of a library is wrong for every other caller. A cause or an advice is a value, which `echoctl` maps to a flag.
//! - What **the kernel** is asked, and how its answer is read, is in one crate; [`KERNEL`] has the exceptions, which ask about themselves.
//! - A **verdict** is chosen in one crate. Others may match on it, and none may make one.

use super::Finding;
use super::source::has_word;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let code = tree.rust().filter(|file| file.path.contains("/src/") && !file.is_test());
    code.filter(|file| file.path.starts_with("crates/") && !TOOLS.contains(&file.member()))
        .flat_map(|file| [flags(file), kernel(file), verdicts(file)].concat())
        .collect()
}

/// Crates that no other crate uses outside its tests.
const TOOLS: [&str; 2] = ["bench", "testkit"];

fn flags(file: &File) -> Vec<Finding> {
    if file.member() == "echoctl" || is_listed(&FLAGS, file) {
        return Vec::new();
    }
    let source = file.source();
    let literals = source.literals_without_tests().filter_map(|(number, text)| Some((number, flag(text)?)));
    let finding = |(number, flag): (usize, &str)| {
        let what = format!("`{flag}` in a text of {}, a library", file.member());
        Finding::new(
            &file.path,
            number,
            what,
            "return a value (a cause, an advice), which echoctl maps to a flag",
        )
    };
    literals.map(finding).collect()
}

/// The first command-line flag in a text.
fn flag(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    text.match_indices("--").find_map(|(at, _)| {
        let is_start = text[..at].chars().next_back().is_none_or(|c| " \"'`(=[".contains(c));
        let length = text[at + 2..].find(|c| !is_name(c)).unwrap_or(text.len() - at - 2);
        let flag = &text[at..at + 2 + length];
        (is_start && flag[2..].starts_with(|c: char| c.is_ascii_lowercase())).then_some(flag)
    })
}

/// Places in libraries whose texts may name flags, and why.
const FLAGS: [(&str, &str); 4] = [
    ("crates/lab/src/demo/side.rs", "it starts our own program, with arguments"),
    ("crates/lab/src/demo/story.rs", "the demo ends with commands to type"),
    ("crates/lab/src/lessons/", "a lesson ends with commands to type, and names the options of its own page"),
    ("crates/trial/src/spawn/child_server.rs", "it starts our own program, with arguments"),
];

fn kernel(file: &File) -> Vec<Finding> {
    if file.member() == "observe" || is_listed(&KERNEL, file) {
        return Vec::new();
    }
    let source = file.source();
    let calls = source.without_tests().filter_map(|(number, line)| {
        Some((number, ["libc::", "getsockopt"].into_iter().find(|word| has_word(line, word))?))
    });
    let files = source.literals_without_tests().filter_map(|(number, text)| {
        Some((number, ["\"/proc", "\"/sys/"].into_iter().find(|path| text.contains(path))?))
    });
    let finding = |(number, word): (usize, &str)| {
        let what = format!("`{}` in {}", word.trim_start_matches('"'), file.member());
        Finding::new(&file.path, number, what, "ask observe, which asks the kernel for all crates")
    };
    calls.chain(files).map(finding).collect()
}

/// Places outside `observe` that call the kernel, and why.
const KERNEL: [(&str, &str); 6] = [
    ("crates/audit/src/sys.rs", "the sockets of the attack"),
    ("crates/echoctl/src/output/file/", "names of open files, of which none is read"),
    ("crates/echoctl/src/sys.rs", "signals, the terminal and the heap of this process"),
    ("crates/server/src/process.rs", "its own memory, which its limit is about, and its threads"),
    ("crates/server/src/sys/", "the server's own sockets"),
    ("crates/trial/src/spawn/sys.rs", "signals, sessions and orphans"),
];

fn verdicts(file: &File) -> Vec<Finding> {
    if ["verdict", "record"].contains(&file.member()) {
        return Vec::new();
    }
    let source = file.source();
    let made =
        source.without_tests().filter(|(_, line)| has_word(line, "Judgement {") && !line.contains("impl"));
    let finding = |(number, _)| {
        let what = format!("a judgement made in {}", file.member());
        Finding::new(&file.path, number, what, "move the rule to verdict, with a test on a recording")
    };
    made.map(finding).collect()
}

/// Whether a file is one of these places, or in one of them.
fn is_listed(places: &[(&str, &str)], file: &File) -> bool {
    places.iter().any(|(place, _)| file.path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    /// The lines of `text` that are found in a file.
    fn found(path: &str, text: &str) -> Vec<String> {
        places(check, &[(path, text)])
            .iter()
            .map(|place| place.rsplit(':').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_flag_in_a_text_of_a_library_is_found() {
        let text = "f(\"use --rate\"); // or --max\ng(\"a -- b\", \"--- x--y\");\nh(\n\"it has\n`--no-read`\");\n\
                    #[cfg(test)]\nmod tests {\n\"--rate\"\n}\n";

        assert_eq!(found("crates/audit/src/a.rs", text), ["1", "5"]);
        assert!(found("crates/echoctl/src/a.rs", text).is_empty());
        assert!(found("crates/lab/src/lessons/a.rs", text).is_empty());
    }

    #[test]
    fn every_exception_is_a_place_that_exists() {
        let tree = Tree::read(crate::process::root()).unwrap();

        for (place, _) in FLAGS.iter().chain(&KERNEL) {
            assert!(tree.files().iter().any(|file| file.path.starts_with(place)), "{place}");
        }
    }

    #[test]
    fn asking_the_kernel_outside_observe_is_found() {
        let text = "//! libc::getpid\nuse std::fs;\nlibc::getpid();\nfs::read(\"/proc/self/stat\");\nf(\"see /proc\");\n";

        assert_eq!(found("crates/lab/src/a.rs", text), ["3", "4"]);
        for allowed in ["observe/src/a.rs", "server/src/sys/mod.rs", "lab/tests/a.rs", "testkit/src/a.rs"] {
            assert!(found(&format!("crates/{allowed}"), text).is_empty(), "{allowed}");
        }
    }

    #[test]
    fn a_judgement_made_outside_verdict_is_found() {
        let text = "fn f() -> Judgement<Cause> {\n    Judgement { verdict, cause }\n}\n";

        assert_eq!(found("crates/audit/src/a.rs", text), ["2"]);
        assert!(found("crates/verdict/src/a.rs", text).is_empty());
    }
}

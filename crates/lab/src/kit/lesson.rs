//! One idea of socket programming: a question, an experiment, and code to read.

use std::path::PathBuf;

use super::{Finding, LessonError, Question};

/// A lesson as plain data; `lessons::ALL` is the course.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// Its name on the command line.
    pub name: &'static str,
    /// The idea in one line, for the list.
    pub idea: &'static str,
    /// The question asked before it runs.
    pub question: Question,
    /// The part of its own source that is worth reading.
    pub code: Code,
    /// Commands to try next, and what each one shows.
    pub next: &'static [(&'static str, &'static str)],
    /// Code to read before the question, if it depends on the run.
    pub before: Option<fn(&Setting, Language) -> String>,
    /// The experiment. It takes seconds, uses only loopback and leaves nothing behind. Run it with
    /// [`measure`](Lesson::measure), which has a time limit.
    pub(crate) run: fn(&Setting) -> Result<Finding, LessonError>,
}

/// The settings of one run.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Prevents the phenomenon, so that the lesson's checks must fail: the lesson's own test.
    pub sabotage: bool,
    /// Seed for what differs from run to run, such as the order of the servers in `unbounded`.
    pub seed: u64,
    /// The `echoctl` program, for experiments with child processes.
    pub program: PathBuf,
}

/// A language in which code before a question can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// The language of the servers that run.
    Rust,
    /// JavaScript with Node.
    Node,
    /// Python with asyncio.
    Python,
}

impl Language {
    /// All of them, the default first.
    pub const ALL: [Language; 3] = [Language::Rust, Language::Node, Language::Python];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Node => "node",
            Language::Python => "python",
        }
    }

    /// The language that a name, or the beginning of one, stands for.
    pub fn find(text: &str) -> Option<Language> {
        let text = text.trim().to_ascii_lowercase();
        Language::ALL.into_iter().find(|language| !text.is_empty() && language.name().starts_with(&text))
    }
}

/// The code that `--show-code` shows.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// The source file; the lines between the markers are shown.
    pub source: &'static str,
    /// The same idea in Node, where that helps.
    pub node: Option<&'static str>,
}

impl Code {
    /// The lines between `// [show]` and `// [/show]`, without their common indentation.
    pub fn excerpt(&self) -> String {
        let mut shown: Vec<&str> = Vec::new();
        let mut inside = false;
        for line in self.source.lines() {
            match line.trim() {
                BEGIN if !shown.is_empty() => (inside, _) = (true, shown.push("")),
                BEGIN => inside = true,
                END => inside = false,
                _ if inside => shown.push(line),
                _ => {}
            }
        }
        let indentation = |line: &&&str| line.len() - line.trim_start().len();
        let shared = shown.iter().filter(|line| !line.trim().is_empty()).map(|line| indentation(&line)).min();
        let cut = |line: &&str| line.get(shared.unwrap_or(0)..).unwrap_or("").to_owned();
        shown.iter().map(cut).collect::<Vec<_>>().join("\n")
    }
}

/// Marks the start of the lines that are shown.
const BEGIN: &str = "// [show]";

/// Marks their end.
const END: &str = "// [/show]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_by_the_beginning_of_its_name() {
        assert_eq!(Language::find(" P\n"), Some(Language::Python));
        assert_eq!(Language::find("rust"), Some(Language::Rust));
        assert_eq!((Language::find(""), Language::find("c")), (None, None));
    }

    #[test]
    fn the_excerpt_has_the_marked_lines_without_indentation() {
        let source = "use x;\n    // [show]\n    fn a() {\n        b\n    }\n    // [/show]\nrest\n// [show]\n    c\n// [/show]";

        let shown = Code { source, node: None }.excerpt();

        assert_eq!(shown, "fn a() {\n    b\n}\n\nc");
    }
}

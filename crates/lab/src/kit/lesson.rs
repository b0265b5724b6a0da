//! A lesson: one idea, the question, the experiment, the code to read.

use std::path::PathBuf;

use super::{Finding, LessonError, Question};

/// One idea of socket programming as an experiment. Plain data: `lessons::ALL` is the course.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// Its name on the command line.
    pub name: &'static str,
    /// The idea in one line, for the list.
    pub idea: &'static str,
    /// What is asked before it runs.
    pub question: Question,
    /// The part of its own source that is worth reading.
    pub code: Code,
    /// What to try next: commands, and what each shows.
    pub next: &'static [(&'static str, &'static str)],
    /// What is to be read before the question, where it changes with the run.
    pub before: Option<fn(&Setting) -> String>,
    /// The experiment. It takes seconds, uses loopback only and leaves nothing behind. Run it with
    /// [`measure`](Lesson::measure), which ends.
    pub(crate) run: fn(&Setting) -> Result<Finding, LessonError>,
}

/// What an experiment is told about the run it is part of.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Prevents the phenomenon, so that an honest check must fail: the lesson's own test.
    pub sabotage: bool,
    /// For what must differ from run to run, as an order that should not be submission on.
    pub seed: u64,
    /// The `echoctl` program, for experiments that need a process of its own.
    pub program: PathBuf,
}

/// The code that `--show-code` shows.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    /// The whole source file; what stands between the markers is shown.
    pub source: &'static str,
    /// The same idea in Node, where the idea's own words come from there.
    pub node: Option<&'static str>,
}

impl Code {
    /// The lines between `// [show]` and `// [/show]`, without the indentation that all of them share.
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

/// Stands in a lesson's source before the part that is shown.
const BEGIN: &str = "// [show]";

/// Stands behind it.
const END: &str = "// [/show]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excerpt_is_what_stands_between_the_markers_without_its_indentation() {
        let source = "use x;\n    // [show]\n    fn a() {\n        b\n    }\n    // [/show]\nrest\n// [show]\n    c\n// [/show]";

        let shown = Code { source, node: None }.excerpt();

        assert_eq!(shown, "fn a() {\n    b\n}\n\nc");
    }
}

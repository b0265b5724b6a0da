//! The program's name as the user called it, for hints and examples that name a command to run.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// How to call this program again: as it was called, or by its bare name where a shell finds it on `PATH`.
pub(crate) fn called() -> &'static str {
    &CALLED
}

static CALLED: LazyLock<String> = LazyLock::new(|| {
    let path = env::var_os("PATH").unwrap_or_default();
    spelling(env::args_os().next().as_deref().unwrap_or_default(), &path)
});

/// How a shell with this `PATH` calls what was called as `program`.
fn spelling(program: &OsStr, path: &OsStr) -> String {
    let Some(text) = program.to_str().filter(|text| !text.is_empty()) else { return NAME.to_owned() };
    let name = Path::new(text).file_name().and_then(OsStr::to_str);
    quoted(name.filter(|_| is_first_on(path, Path::new(text))).unwrap_or(text))
}

/// Whether the first file of this name on `PATH` is this very file.
fn is_first_on(path: &OsStr, program: &Path) -> bool {
    let Some(name) = program.file_name() else { return false };
    let first = env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file());
    match (first.map(fs::canonicalize), fs::canonicalize(program)) {
        (Some(Ok(first)), Ok(program)) => first == program,
        _ => false,
    }
}

/// `text` as one word of a POSIX shell.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@%:,".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The name when the caller passed none.
const NAME: &str = "echoctl";

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(program: &str, path: &str) -> String {
        spelling(program.as_ref(), path.as_ref())
    }

    #[test]
    fn the_name_is_repeated_as_it_was_typed() {
        assert_eq!(spelled("echoctl", "/usr/bin"), "echoctl");
        assert_eq!(spelled("target/debug/echoctl", "/usr/bin"), "target/debug/echoctl");
        assert_eq!(spelled("/tmp/my tools/it's", ""), r"'/tmp/my tools/it'\''s'");
        assert_eq!(spelled("", ""), "echoctl");
    }

    #[test]
    fn a_program_on_path_is_called_by_its_bare_name() {
        let (first, second) =
            (tempfile::tempdir().expect("there is room"), tempfile::tempdir().expect("there is room"));
        let file = |folder: &tempfile::TempDir| {
            let path = folder.path().join("echoctl");
            fs::write(&path, "").expect("it can be written");
            path.to_str().expect("it is text").to_owned()
        };
        let (one, other) = (file(&first), file(&second));
        let path = env::join_paths([first.path(), second.path()]).expect("they have no colon");
        let path = path.to_str().expect("it is text");

        assert_eq!(spelled(&one, path), "echoctl");
        assert_eq!(spelled(&other, path), other, "another file of that name comes first on PATH");
    }
}

//! The script that an interpreter runs: its name says more than that of the interpreter.

use super::one_process::path;
use crate::proc_file::read_bytes;

/// The name of a process for people, given that of its program: of an interpreter with its script, as in `node api.js`.
pub(crate) fn with_script(pid: u32, program: &str) -> String {
    let is_interpreter = INTERPRETERS.contains(&program.trim_end_matches(|c: char| !c.is_alphabetic()));
    let command_line = if is_interpreter { read_bytes(path(pid, "cmdline")) } else { None };
    match command_line.and_then(|line| script(&line)) {
        Some(script) => format!("{program} {script}"),
        None => program.to_owned(),
    }
}

/// The file name of the script in the command line of an interpreter, whose words end with zero bytes. `None` if it runs a text of
/// its command line, or reads one.
fn script(command_line: &[u8]) -> Option<String> {
    let mut words = command_line.split(|&byte| byte == 0).skip(1);
    let word =
        words.find(|word| !word.starts_with(b"-") || word.starts_with(b"-c") || word.starts_with(b"-e"))?;
    let name = word.rsplit(|&byte| byte == b'/').next()?;
    let is_name = !word.starts_with(b"-") && !name.is_empty();
    is_name.then(|| String::from_utf8_lossy(name).chars().take(MAX_SCRIPT).collect())
}

/// Programs that are named without the version at their end, as `python3.12`, and whose script says more than they do.
const INTERPRETERS: [&str; 8] = ["python", "node", "ruby", "perl", "php", "deno", "bun", "lua"];

/// Characters of a script's name: as many as fit into a line.
const MAX_SCRIPT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_an_interpreter_is_its_first_operand() {
        let of = |line: &str| script(line.replace(' ', "\0").as_bytes());

        assert_eq!(of("node --max-old-space-size=64 /srv/api.js --port 80").as_deref(), Some("api.js"));
        assert_eq!(of("python3 -m http.server").as_deref(), Some("http.server"));
        assert_eq!(of("python3 -c print(1)"), None);
        assert_eq!(of("node"), None);
        assert_eq!(script(b""), None);
    }

    #[test]
    fn a_program_that_interprets_nothing_has_its_own_name() {
        assert_eq!(with_script(std::process::id(), "nginx"), "nginx");
        assert_eq!(with_script(u32::MAX, "python3"), "python3");
    }
}

//! The name of a process for people: that of its program and, if that is an interpreter, of the script that it runs.

use super::one_process::path;
use super::text::Stat;
use crate::proc_file::read_bytes;

/// Name and parent of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessName {
    /// The name of its program, at most 15 bytes of it; with an interpreter followed by its script: `node api.js`.
    pub(crate) name: String,
    /// The pid of its parent.
    pub(crate) parent: u32,
}

impl ProcessName {
    /// Those of a running process; `None` if it has exited or is hidden.
    pub(crate) fn of(pid: u32) -> Option<ProcessName> {
        let stat = Stat::parse(&read_bytes(path(pid, "stat"))?).filter(|stat| !stat.has_exited())?;
        let is_interpreter = INTERPRETERS.contains(&stat.name.trim_end_matches(|c: char| !c.is_alphabetic()));
        let script = if is_interpreter {
            read_bytes(path(pid, "cmdline")).and_then(|line| script(&line))
        } else {
            None
        };
        let name = script.map_or(stat.name.clone(), |script| format!("{} {script}", stat.name));
        Some(ProcessName { name, parent: stat.parent })
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

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_a_name_and_a_parent() {
        let own = ProcessName::of(std::process::id()).unwrap();

        assert!(!own.name.is_empty() && own.parent > 0, "{own:?}");
        assert_eq!(ProcessName::of(u32::MAX), None);
    }
}

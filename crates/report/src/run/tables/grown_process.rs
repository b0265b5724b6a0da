//! Which process of a server grew in an attack.

use echoctl_record::{Bytes, Evidence, GrownProcess};

/// The process that grew most, as a sentence without its full stop; `None` if only one was measured, or none grew.
pub fn grown_process(evidence: &Evidence) -> Option<String> {
    let GrownProcess { name, pid, bytes, processes } = evidence.grown_process.as_ref()?;
    let name = if name.is_empty() { "one" } else { name };
    Some(format!("the memory of {name} (pid {pid}) grew most of {processes} processes: by {}", Bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_visible_name_has_its_pid() {
        for (name, expected) in [
            ("node", "the memory of node (pid 42) grew most of 3 processes: by 300 MiB"),
            ("", "the memory of one (pid 42) grew most of 3 processes: by 300 MiB"),
        ] {
            let grown = GrownProcess { name: name.to_owned(), pid: 42, bytes: 300 << 20, processes: 3 };
            let evidence = Evidence { grown_process: Some(grown), ..Evidence::default() };

            assert_eq!(grown_process(&evidence).as_deref(), Some(expected));
        }
    }
}

//! Says why the processes of some listening sockets are not visible: the same words for every command.

use echoctl_record::count;

/// Why the processes of this many listening sockets are not visible, and what shows them, if anything does.
pub(crate) fn hidden_listeners(hidden: usize, sees_other_users: bool) -> Option<String> {
    if hidden == 0 {
        return None;
    }
    let listeners = count(hidden as u64, "listener");
    Some(if sees_other_users {
        format!(
            "the processes of {listeners} are not visible: outside this PID namespace, or hidden by a sandbox"
        )
    } else {
        format!(
            "the processes of {listeners} are not visible: root, or CAP_DAC_READ_SEARCH with CAP_SYS_PTRACE, shows them"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_privilege_is_not_advised_to_get_it() {
        let [with, without] = [true, false].map(|sees| hidden_listeners(2, sees).unwrap());

        assert!(with.starts_with("the processes of 2 listeners are not visible: ") && !with.contains("root"));
        assert!(without.contains("root, or CAP_DAC_READ_SEARCH"), "{without}");
        assert_eq!(hidden_listeners(0, false), None);
    }
}

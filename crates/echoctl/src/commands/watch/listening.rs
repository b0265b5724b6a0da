//! What listens on this host, as a hint for a user whose target was not found.

use std::fmt::Write;

use echoctl_observe::{Listener, ServerAddr, listeners};
use echoctl_record::printable;

use crate::exit::Failure;

/// Adds what listens on this host, those with a name like `wanted` first; nothing if that is not visible.
pub(super) fn hint(failure: Failure, wanted: &str) -> Failure {
    match listeners() {
        Ok(all) if !all.is_empty() => failure.hint(match nearest(&all, wanted) {
            Some(name) => format!("did you mean {}?\n{}", printable(name), list(&all, wanted)),
            None => list(&all, wanted),
        }),
        _ => failure,
    }
}

/// The first three addresses.
pub(super) fn addresses<'a>(all: impl ExactSizeIterator<Item = &'a ServerAddr>) -> String {
    let more = if all.len() > MAX_ADDRESSES { " and more" } else { "" };
    let addrs: Vec<String> = all.take(MAX_ADDRESSES).map(ServerAddr::to_string).collect();
    format!("{}{more}", addrs.join(", "))
}

/// The name of a process that listens and is nearly the wanted one, or has it as a part.
fn nearest<'a>(all: &'a [Listener], wanted: &str) -> Option<&'a str> {
    let names = all.iter().flat_map(|listener| &listener.owners).map(|owner| owner.name.as_str());
    let least = names.map(|name| (difference(name, wanted), name)).min()?;
    (!wanted.is_empty() && least.0 <= MAX_MISTAKES).then_some(least.1)
}

/// One line per server, at most [`MAX_LISTED`].
fn list(all: &[Listener], wanted: &str) -> String {
    let mut servers: Vec<(String, bool, usize, Vec<&ServerAddr>)> = Vec::new();
    for listener in all {
        let process = listener.to_string();
        match servers.iter_mut().find(|(known, ..)| *known == process) {
            Some((.., addrs)) => addrs.push(&listener.addr),
            None => {
                let difference = |name: &str| difference(name, wanted);
                let least = listener.owners.iter().map(|owner| difference(&owner.name)).min();
                let is_visible = !listener.owners.is_empty();
                servers.push((process, is_visible, least.unwrap_or(usize::MAX), vec![&listener.addr]));
            }
        }
    }
    // Without a name they stay in the order of their addresses.
    if !wanted.is_empty() {
        servers.sort_by_key(|(.., difference, _)| *difference);
    }
    let mut text = "on this host listen:".to_owned();
    for (process, is_visible, _, addrs) in servers.iter().take(MAX_LISTED) {
        let _ = match is_visible {
            true => write!(text, "\n  {process} at {}", addresses(addrs.iter().copied())),
            false => write!(text, "\n  {}: {process}", addresses(addrs.iter().copied())),
        };
    }
    if servers.len() > MAX_LISTED {
        let _ = write!(text, "\n  and {} more", servers.len() - MAX_LISTED);
    }
    text
}

/// Number of characters to insert, delete or replace to get from a name to the wanted one; 0 if that is a part of it.
fn difference(name: &str, wanted: &str) -> usize {
    let [name, wanted] =
        [name, wanted].map(|name| name.to_lowercase().chars().take(MAX_NAME).collect::<Vec<char>>());
    if !wanted.is_empty() && name.windows(wanted.len()).any(|part| part == wanted) {
        return 0;
    }
    let mut costs: Vec<usize> = (0..=wanted.len()).collect();
    for (row, a) in name.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut costs[0], row + 1);
        for (column, b) in wanted.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = costs[column + 1];
            costs[column + 1] = replaced.min(diagonal + 1).min(costs[column] + 1);
        }
    }
    costs[wanted.len()]
}

/// Number of addresses that are listed per server: more make a line too long.
const MAX_ADDRESSES: usize = 3;

/// Number of servers that are listed: as many lines as a user reads.
const MAX_LISTED: usize = 10;

/// Differences of a name that was meant: two letters in the wrong order, or one that is missing.
const MAX_MISTAKES: usize = 2;

/// Characters of a name that are compared, which bounds the time for names from outside.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use echoctl_observe::Owner;

    use super::*;

    fn listener(port: u16, owners: &[(u32, &str)]) -> Listener {
        let owner = |&(pid, name): &(u32, &str)| Owner { pid, name: name.to_owned() };
        Listener {
            addr: SocketAddr::from(([127, 0, 0, 1], port)).into(),
            uid: Some(0),
            owners: owners.iter().map(owner).collect(),
        }
    }

    #[test]
    fn names_like_the_wanted_one_come_first() {
        let all = [
            listener(22, &[]),
            listener(80, &[(12, "nginx"), (13, "nginx")]),
            listener(443, &[(12, "nginx"), (13, "nginx")]),
            listener(6379, &[(7, "redis-server")]),
        ];

        let [by_addr, redis, nginx] = ["", "Redis", "ngnix"].map(|wanted| list(&all, wanted));

        assert_eq!(
            by_addr,
            "on this host listen:\n  127.0.0.1:22: a process of another user (root), not visible\n  \
             nginx (pid 12, 13) at 127.0.0.1:80, 127.0.0.1:443\n  redis-server (pid 7) at 127.0.0.1:6379"
        );
        assert_eq!(
            ["", "Redis", "ngnix", "postgres"].map(|wanted| nearest(&all, wanted)),
            [None, Some("redis-server"), Some("nginx"), None]
        );
        assert!(redis.starts_with("on this host listen:\n  redis-server"), "{redis}");
        assert!(nginx.starts_with("on this host listen:\n  nginx"), "{nginx}");
    }

    #[test]
    fn a_long_list_ends_with_the_number_of_the_others() {
        let all: Vec<Listener> = (1..=13).map(|port| listener(port, &[(u32::from(port), "x")])).collect();

        let text = list(&all, "");

        assert_eq!((text.lines().count(), text.lines().last()), (12, Some("  and 3 more")));
    }

    #[test]
    fn the_difference_of_names_counts_their_edits() {
        for (name, wanted, edits) in [
            ("nginx", "ngnix", 2),
            ("nginx", "nginx", 0),
            ("redis-server", "Redis", 0),
            ("redis", "redis-server", 7),
            ("", "abc", 3),
            ("pq", "qp", 2),
        ] {
            assert_eq!(difference(name, wanted), edits, "{name} {wanted}");
        }
    }
}

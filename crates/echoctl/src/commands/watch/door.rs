//! How the sockets of a watched server are visible, for the screen and for JSON.

use echoctl_observe::Door;

/// The name of a door in JSON.
pub(super) fn name(door: Door) -> &'static str {
    match door {
        Door::Own => "own",
        Door::Netlink => "netlink",
        Door::Files => "proc",
        Door::Closed => "closed",
    }
}

/// What is to be known about a server in another network namespace; `None` for one in this program's.
pub(super) fn sentence(door: Door) -> Option<&'static str> {
    match door {
        Door::Own => None,
        Door::Netlink => Some("in another network namespace: all figures are visible"),
        Door::Files => Some(
            "in another network namespace: only queues are visible. As root, counters and windows are too",
        ),
        Door::Closed => Some("in a network namespace that is not visible here"),
    }
}

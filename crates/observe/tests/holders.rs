//! The processes that have a socket open are found by its inode.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::collections::BTreeSet;
use std::net::TcpListener;

use echoctl_observe::{holders, sees_files, socket_inodes};

#[test]
fn a_socket_is_held_by_the_process_that_opened_it() {
    let own = std::process::id();
    let before: BTreeSet<u32> = socket_inodes(own).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let opened: BTreeSet<u32> = socket_inodes(own).filter(|inode| !before.contains(inode)).collect();

    let found: BTreeSet<(u32, u32)> = holders(&opened).collect();

    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|&(pid, inode)| pid == own && opened.contains(&inode)));
    assert!(sees_files(own) && !sees_files(u32::MAX));
    drop(listener);
    assert_eq!(holders(&opened).count(), 0);
}

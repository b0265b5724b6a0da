//! The sockets of a target that leaves this program's network namespace, as `ip netns exec` and `unshare --net` do.
//!
//! Such a target is reached over a link into its namespace, never by loopback. Its address may also be that of another host, so that a
//! connection counts as one to the target only if its other end is found there.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use echoctl_observe::{Error, ListeningSocket, ServerAddr, SocketTables};

use super::Descendants;

/// Its listening sockets in other namespaces that could accept a connection to `addr`.
///
/// # Errors
/// When the kernel refuses the query.
pub(super) fn accepting(addr: &ServerAddr, target: Descendants) -> Result<Vec<ListeningSocket>, Error> {
    let Some(addr) = addr.tcp().filter(|addr| !addr.ip().to_canonical().is_loopback()) else {
        return Ok(Vec::new());
    };
    let listening = SocketTables::of(target.pids()).listening_in_others()?;
    Ok(listening.iter().filter(|socket| socket.covers(addr)).map(ListeningSocket::from).collect())
}

/// Where it listens in another namespace, if it does.
///
/// # Errors
/// When the kernel refuses the query.
pub(super) fn address_of(target: Descendants) -> Result<Option<SocketAddr>, Error> {
    let held = target.sockets();
    let mut listening = SocketTables::of(target.pids()).listening_in_others()?;
    listening.retain(|socket| held.contains(&socket.inode));
    Ok(listening.first().map(|socket| socket.local))
}

/// Whether the other end of a connection from `client` to `server`, which is not in this namespace, is missing in those of a target
/// that leaves this one.
pub(super) fn misses(server: SocketAddr, client: SocketAddr, target: Descendants) -> bool {
    let mut tables = SocketTables::of(target.pids());
    let is_missing = |tables: &mut SocketTables| {
        tables.renew();
        tables.server_of_own(server, client).is_none()
    };
    // A reply of the kernel there may still be on its way.
    tables.leave_own() && (0..LOOKS).all(|_| is_missing(&mut tables) && wait())
}

fn wait() -> bool {
    thread::sleep(BETWEEN_LOOKS);
    true
}

/// How often an end is looked for.
const LOOKS: u32 = 3;

/// Time between two such looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

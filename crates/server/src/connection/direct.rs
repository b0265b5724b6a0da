//! One connection with backpressure: the page to read first.
//!
//! Read, find the frames, write, and only then read again. That order is the whole policy. While the peer does not read, the write
//! waits. While the write waits, nothing is read. So the kernel's receive queue fills, its receive window closes, and the peer's
//! own write blocks in turn. There is no queue, no limit and no decision, and at most one read is buffered.
//!
//! With the other policies this page is the same as long as the peer keeps up. A write that would have to wait returns what is
//! left instead, and `queued` goes on from there until the peer has caught up.

use super::Connection;
use super::queued::Unwritten;
use crate::close_reason::CloseReason;
use crate::io::places::PlaceIndex;

/// Echoes complete frames until the peer closes its direction. An incomplete frame at the end is not echoed.
pub(super) async fn echo(connection: &mut Connection) -> Result<Leave, CloseReason> {
    loop {
        let complete = connection.complete_frames()?;
        if complete > 0 {
            if let Some(unwritten) = connection.write_all(complete).await? {
                return Ok(Leave::ToQueue(unwritten));
            }
        } else if let Some(place) = connection.better_place() {
            return Ok(Leave::ToMove(place));
        } else if connection.read().await? == 0 {
            return Ok(Leave::AtTheEnd);
        }
    }
}

/// Why a connection leaves this page.
pub(super) enum Leave {
    /// The peer has closed its direction, and all its complete frames are answered.
    AtTheEnd,
    /// The peer does not keep up, and the policy is not await.
    ToQueue(Unwritten),
    /// Another worker should serve it. Everything complete is answered.
    ToMove(PlaceIndex),
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;

    use echoctl_proto::Framing;

    use super::*;
    use crate::config::Config;
    use crate::connection::QUANTUM;
    use crate::connection::frames::Room;
    use crate::connection::read_size::LARGE_READ;
    use crate::settings::Settings;
    use crate::sys::Descriptor;
    use crate::table::{ConnectionHandle, EntryRef, Shared};

    /// A peer that sends without a pause and reads everything. Returns its connection, with its entry in the table.
    fn busy_connection(shared: &Arc<Shared>) -> (Connection, EntryRef) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut reader = writer.try_clone().unwrap();
        let (socket, peer) = listener.accept().unwrap();
        thread::spawn(move || while reader.read(&mut [0; 1 << 18]).is_ok_and(|count| count > 0) {});
        thread::spawn(move || {
            (0..64).try_for_each(|_| writer.write_all(&[b'x'; 1 << 20])).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        socket.set_nonblocking(true).unwrap();
        let entry = shared.table.insert(Descriptor::of(&socket), peer, 0).unwrap();
        let stream = crate::sys::socket::register(socket).unwrap();
        (Connection::new(stream, ConnectionHandle::new(shared.clone(), entry.clone()), Room::Lent), entry)
    }

    #[tokio::test]
    async fn a_busy_connection_yields_after_a_quantum() {
        let config = Config { framing: Framing::Raw, ..Config::default() };
        let shared = Arc::new(Shared::new(Arc::new(Settings::new(config)), Arc::default(), Box::new(|_| ())));
        let (connection, entry) = busy_connection(&shared);
        let received = || entry.totals().received;

        let task = tokio::spawn(connection.serve());
        let (mut before, mut longest) = (0, 0);
        while !task.is_finished() {
            tokio::task::yield_now().await;
            let now = received();
            longest = longest.max(now.saturating_sub(before));
            before = now;
        }

        assert!(longest > 0, "it ran");
        let most = u64::from(QUANTUM) * 1024 + LARGE_READ as u64;
        assert!(longest <= most, "{longest} bytes without a yield, {most} allowed");
    }
}

//! One connection with backpressure: the page to read first.
//!
//! Read, cut, write, and only then read again. That order is the whole policy. While the peer does not read, the write
//! waits; while the write waits, nothing is read; so the kernel's receive queue fills, its window closes, and the peer's
//! own write waits in turn. No queue, no limit, no decision: the most that is held is one read.

use crate::connection::Connection;
use crate::event::Reason;

/// Serves one connection to its end.
#[allow(
    clippy::manual_async_fn,
    reason = "an async fn would keep its argument twice: 100 bytes a connection"
)]
pub(crate) fn serve(mut connection: Connection) -> impl Future<Output = ()> {
    async move {
        let end = echo(&mut connection).await;
        connection.close(end);
    }
}

/// Echoes whole frames until the peer closes its direction. An unfinished frame at the end is not echoed.
async fn echo(connection: &mut Connection) -> Result<(), Reason> {
    loop {
        let whole = connection.whole_frames()?;
        if whole > 0 {
            connection.write_all(whole).await?;
        } else if connection.read().await? == 0 {
            return Ok(());
        }
    }
}

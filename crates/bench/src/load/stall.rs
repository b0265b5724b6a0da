//! Stalled peers: they send as long as the server accepts data, and never read.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What stalled peers measured.
pub(crate) struct Stalled {
    /// Bytes accepted by the server and both kernels, of all peers together.
    pub(crate) taken: u64,
    /// Peers whose connection the server closed.
    pub(crate) ended: usize,
}

/// Sends `block` repeatedly over each connection, at most `most` bytes each, until nothing has been accepted for [`SETTLED_AFTER`].
pub(crate) fn stall(streams: &[TcpStream], block: &[u8], most: u64) -> Result<Stalled> {
    let mut sent: Vec<Option<u64>> = vec![Some(0); streams.len()];
    for stream in streams {
        stream.set_nonblocking(true)?;
    }
    let mut progress = Instant::now();
    while progress.elapsed() < SETTLED_AFTER {
        let mut is_any = false;
        for (mut stream, sent) in streams.iter().zip(&mut sent) {
            let Some(count) = sent.as_mut().filter(|count| **count < most) else { continue };
            let rest = &block[*count as usize % block.len()..];
            match stream.write(rest) {
                Ok(more) => {
                    *count += more as u64;
                    is_any = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => *sent = None,
            }
        }
        if is_any {
            progress = Instant::now();
        } else {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let ended = sent.iter().filter(|sent| sent.is_none()).count();
    Ok(Stalled { taken: sent.into_iter().flatten().sum(), ended })
}

/// The kernel grows its queues while they are used; after this long they have reached their limits.
const SETTLED_AFTER: Duration = Duration::from_millis(400);

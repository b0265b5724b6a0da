//! Stalled peers: they send as long as anybody takes it, and never read.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What stalled peers came to.
pub(crate) struct Stalled {
    /// Bytes that the server and both kernels took, of all together.
    pub(crate) taken: u64,
    /// Peers whose connection the server ended.
    pub(crate) ended: usize,
}

/// Sends `block` again and again over each connection until nobody takes any more for a while, at most `most` bytes each.
pub(crate) fn stall(streams: &[TcpStream], block: &[u8], most: u64) -> Result<Stalled> {
    let mut sent: Vec<Option<u64>> = vec![Some(0); streams.len()];
    for stream in streams {
        stream.set_nonblocking(true)?;
    }
    let mut progress = Instant::now();
    while progress.elapsed() < NO_MORE {
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

/// The kernel raises its queues while they are used; after so long it has raised them as far as it will.
const NO_MORE: Duration = Duration::from_millis(400);

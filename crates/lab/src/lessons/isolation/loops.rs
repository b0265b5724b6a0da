//! Two loops over one connection whose server counts the bytes of all clients. They differ in one line.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

// [show]
/// Wrong: the lock on what all clients share is held while the write waits for one of them.
pub(super) async fn held(mut socket: TcpStream, shared: Arc<Mutex<u64>>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let mut total = shared.lock().await;
        *total += read as u64;
        socket.write_all(&buffer[..read]).await?; // all other tasks wait for the lock
    }
}

/// Right: the lock is released before the write.
pub(super) async fn released(mut socket: TcpStream, shared: Arc<Mutex<u64>>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        *shared.lock().await += read as u64; // released at the end of this line
        socket.write_all(&buffer[..read]).await?; // only this task waits
    }
}
// [/show]

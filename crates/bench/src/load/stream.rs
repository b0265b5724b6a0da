//! Streams: each connection writes as fast as it can and reads what comes back at the same time.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

/// Sends `block` repeatedly over `connections` for `time`, reads everything back, and returns (bytes, seconds). The clock
/// runs until the last byte is back, so bytes in queues do not count as done.
pub(crate) fn stream(
    addr: SocketAddr,
    connections: usize,
    block: &[u8],
    time: Duration,
) -> Result<(u64, f64)> {
    let streams = (0..connections).map(|_| super::open(addr)).collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    let end = began + time;
    let bytes = thread::scope(|scope| {
        let mut halves = Vec::new();
        for stream in &streams {
            let writer = scope.spawn(move || write(stream, block, end));
            let reader = scope.spawn(move || read(stream, block));
            halves.push((writer, reader));
        }
        halves.into_iter().try_fold(0, |sum, (writer, reader)| {
            let panicked = |_| anyhow!("a half of the load panicked");
            let (sent, back) = (writer.join().map_err(panicked)??, reader.join().map_err(panicked)??);
            ensure!(sent == back, "{sent} bytes were sent, and {back} came back");
            Ok(sum + back)
        })
    })?;
    Ok((bytes, began.elapsed().as_secs_f64()))
}

fn write(mut stream: &TcpStream, block: &[u8], end: Instant) -> Result<u64> {
    let mut sent = 0;
    while Instant::now() < end {
        stream.write_all(block)?;
        sent += block.len() as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn read(mut stream: &TcpStream, block: &[u8]) -> Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let (mut back, mut at) = (0, 0);
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(back);
        }
        back += count as u64;
        let mut piece = &buffer[..count];
        while !piece.is_empty() {
            let len = piece.len().min(block.len() - at);
            ensure!(piece[..len] == block[at..at + len], "wrong bytes came back");
            piece = &piece[len..];
            at = (at + len) % block.len();
        }
    }
}

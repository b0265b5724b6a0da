//! Servers with few places, which clients that do not read keep.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::listen;

/// Echoes with a few threads, each of which serves one piece of input at a time, of any client.
pub(crate) fn pool(threads: &str, addr: &str) -> io::Result<()> {
    let (sender, pieces) = mpsc::sync_channel::<(TcpStream, Vec<u8>, mpsc::Sender<()>)>(0);
    let pieces = Arc::new(Mutex::new(pieces));
    for _ in 0..threads.parse::<usize>().map_err(io::Error::other)? {
        let pieces = Arc::clone(&pieces);
        thread::spawn(move || {
            loop {
                let Ok(Ok((mut stream, piece, done))) = pieces.lock().map(|pieces| pieces.recv()) else {
                    return;
                };
                // A client that has gone does not end the thread.
                let _ = stream.write_all(&piece);
                let _ = done.send(());
            }
        });
    }
    listen(addr, |stream| {
        let sender = sender.clone();
        thread::spawn(move || -> io::Result<()> {
            let (done, is_done) = mpsc::channel();
            let mut buffer = [0; 65536];
            loop {
                let length = (&stream).read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                let piece = (stream.try_clone()?, buffer[..length].to_vec(), done.clone());
                sender.send(piece).map_err(io::Error::other)?;
                is_done.recv().map_err(io::Error::other)?;
            }
        })
    })
}

/// Echoes while it has permits. A write that has to wait keeps its permit for ever, so no client is served any more.
pub(crate) fn leaking(addr: &str) -> io::Result<()> {
    let stuck = Arc::new(AtomicBool::new(false));
    listen(addr, |mut stream| {
        let stuck = Arc::clone(&stuck);
        thread::spawn(move || -> io::Result<()> {
            let mut buffer = [0; 65536];
            stream.set_write_timeout(Some(Duration::from_millis(300)))?;
            loop {
                let length = stream.read(&mut buffer)?;
                while stuck.load(Ordering::Relaxed) {
                    thread::park();
                }
                match stream.write_all(&buffer[..length]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        stuck.store(true, Ordering::Relaxed)
                    }
                    other => other?,
                }
                if length == 0 {
                    return Ok(());
                }
            }
        })
    })
}

/// Answers one client at a time with much, and the others with an error.
pub(crate) fn shedding(addr: &str) -> io::Result<()> {
    let place = Arc::new(Mutex::new(()));
    listen(addr, |mut stream| {
        let place = Arc::clone(&place);
        thread::spawn(move || -> io::Result<()> {
            stream.read_exact(&mut [0])?;
            let Ok(_place) = place.try_lock() else {
                return stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            // As much as one that reads gets in the calm, and more than the queues for one that does not.
            (0..256).try_for_each(|_| stream.write_all(&[b'y'; 65536]))
        })
    })
}

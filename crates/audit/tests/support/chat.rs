//! A chat server: what one client sends, all get.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::listen;

/// What a chat server does with clients that are not alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// It waits for each of them.
    Waits,
    /// It waits for each of them, but answers a client that asks without waiting for any other.
    Answers,
    /// It drops what one of them does not accept at once.
    Drops,
    /// It closes the connection of the first one when a third one comes, as if it were the same client.
    Replaces,
}

/// Sends the input of each client to all of them.
pub(crate) fn serve(addr: &str, crowd: Crowd) -> io::Result<()> {
    let clients = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
    listen(addr, |mut stream| {
        let shared = Arc::clone(&clients);
        let mut all = clients.lock().map_err(|_| io::ErrorKind::Other)?;
        all.push(stream.try_clone()?);
        if crowd == Crowd::Replaces && all.len() == 3 {
            all.remove(0).shutdown(Shutdown::Both)?;
        }
        if crowd == Crowd::Drops {
            stream.set_nonblocking(true)?;
        }
        thread::spawn(move || -> io::Result<()> {
            let mut buffer = [0; 65536];
            loop {
                let length = match stream.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    other => other?,
                };
                if crowd == Crowd::Answers && buffer.starts_with(b"?") {
                    stream.write_all(b"!")?;
                    continue;
                }
                let mut all = shared.lock().map_err(|_| io::ErrorKind::Other)?;
                if crowd == Crowd::Answers {
                    let clones = all.iter().map(TcpStream::try_clone).collect::<io::Result<Vec<_>>>()?;
                    drop(all);
                    // A client may leave at any time.
                    clones.into_iter().for_each(|mut client| _ = client.write_all(&buffer[..length]));
                    continue;
                }
                all.retain_mut(|client| match client.write_all(&buffer[..length]) {
                    Ok(()) => true,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                });
            }
        });
        io::Result::Ok(())
    })
}

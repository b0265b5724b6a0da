//! Servers that send without being asked, and a client that receives.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::listen;

/// Sends in this manner to each client that connects to the port.
pub(crate) fn serve(manner: &str, port: &str) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>().map_err(io::Error::other)?))?;
    if manner == "to-all" {
        return send_to_all(&listener);
    }
    for stream in listener.incoming() {
        let (stream, manner) = (stream?, manner.to_owned());
        // A client may leave at any time.
        thread::spawn(move || _ = send(&stream, &manner));
    }
    Ok(())
}

fn send(mut stream: &TcpStream, manner: &str) -> io::Result<()> {
    match manner {
        // As fast as the client reads.
        "bounded" => send_for_ever(stream),
        // At a rate of its own, whether the client reads or not.
        "unbounded" => send_a_queue(stream),
        // Until the client does not read for a second.
        "impatient" => {
            stream.set_write_timeout(Some(Duration::from_secs(1)))?;
            send_for_ever(stream)
        }
        // For half a second, whether the client reads or not.
        "brief" => {
            let clone = stream.try_clone()?;
            thread::spawn(move || send_for_ever(&clone));
            thread::sleep(Duration::from_millis(500));
            stream.shutdown(std::net::Shutdown::Both)
        }
        // Only a greeting.
        "greeting" => {
            stream.write_all(b"hello")?;
            thread::sleep(Duration::MAX);
            Ok(())
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn send_for_ever(mut stream: &TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(&[b'x'; 64 << 10])?;
    }
}

fn send_a_queue(mut stream: &TcpStream) -> io::Result<()> {
    let (sender, queue) = mpsc::channel();
    thread::spawn(move || {
        while sender.send(vec![b'x'; 256 << 10]).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    queue.iter().try_for_each(|piece| stream.write_all(&piece))
}

/// One thread sends to all clients, and waits for each of them.
fn send_to_all(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut clients: Vec<TcpStream> = Vec::new();
    loop {
        if let Ok((client, _)) = listener.accept() {
            client.set_nonblocking(false)?;
            clients.push(client);
        }
        clients.retain_mut(|client| client.write_all(&[b'x'; 4 << 10]).is_ok());
        thread::sleep(Duration::from_micros(200));
    }
}

/// Answers each request with a head, and then with what one thread sends to all clients. It waits for each of them.
pub(crate) fn hub(addr: &str) -> io::Result<()> {
    let (joined, joining) = mpsc::channel();
    thread::spawn(move || {
        let mut clients: Vec<TcpStream> = Vec::new();
        loop {
            clients.extend(joining.try_iter());
            clients.retain_mut(|client| client.write_all(&[b'x'; 4 << 10]).is_ok());
            thread::sleep(Duration::from_micros(200));
        }
    });
    listen(addr, |mut stream| {
        let joined = joined.clone();
        thread::spawn(move || -> io::Result<()> {
            _ = stream.read(&mut [0; 4096])?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            joined.send(stream).map_err(io::Error::other)
        });
    })
}

/// Reads from the server at `addr` until that ends.
pub(crate) fn receive(addr: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr)?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

/// The same over two connections.
pub(crate) fn receive_twice(addr: &str) -> io::Result<()> {
    let mut streams = [TcpStream::connect(addr)?, TcpStream::connect(addr)?];
    let mut piece = vec![0; 64 << 10];
    loop {
        for stream in &mut streams {
            if stream.read(&mut piece)? == 0 {
                return Ok(());
            }
        }
    }
}

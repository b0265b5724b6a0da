//! The three loops in their shortest form, shown by `--show-code`. The experiment runs the full server, whose loop is `echo`
//! in `crates/server/src/connection/direct.rs`; the test below runs these loops.

use std::io::{self, Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

// [show]
/// Off: replies are queued, and the server always keeps reading.
async fn off(socket: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = socket.into_split();
    let (queue, mut replies) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(reply) = replies.recv().await {
            writer.write_all(&reply).await?;
        }
        io::Result::Ok(())
    });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer).await? {
            0 => return Ok(()),
            read => drop(queue.send(buffer[..read].to_vec())), // never waits: this is the bug
        }
    }
}

/// On: the next read starts when the last write has completed.
async fn on(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut buffer).await? {
            0 => return Ok(()),
            read => socket.write_all(&buffer[..read]).await?, // while this waits, the server does not read
        }
    }
}

/// Threads: the same with blocking calls and one thread per connection.
fn threads(mut socket: std::net::TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(()),
            read => socket.write_all(&buffer[..read])?, // the thread blocks here
        }
    }
}
// [/show]

#[test]
fn all_three_send_back_what_they_were_sent() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for server_loop in ["off", "on", "threads"] {
        let (mut client, server) = crate::kit::loopback::connection().expect("sockets");
        let serving = std::thread::spawn({
            let runtime = runtime.handle().clone();
            move || {
                let of_tokio = |server: std::net::TcpStream| {
                    server.set_nonblocking(true)?;
                    TcpStream::from_std(server)
                };
                let _entered = runtime.enter();
                match server_loop {
                    "off" => runtime.block_on(off(of_tokio(server)?)),
                    "on" => runtime.block_on(on(of_tokio(server)?)),
                    _ => threads(server),
                }
            }
        });
        let sent: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();

        client.write_all(&sent).expect("the queues take it");
        client.shutdown(std::net::Shutdown::Write).expect("a socket");
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("all comes back");

        assert!(received == sent, "{server_loop}: {} of {} bytes came back", received.len(), sent.len());
        serving.join().expect("no panic").expect("no error");
    }
}

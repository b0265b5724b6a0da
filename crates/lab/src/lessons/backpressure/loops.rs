//! The three ways in their shortest form, to be read in class: what `--show-code` shows. The experiment runs the full server,
//! whose loop is `echo` in `crates/server/src/direct.rs`; these here are run by the test below.

use std::io::{self, Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

// [show]
/// Off: replies are queued, and the next bytes are read whatever happens.
async fn off(socket: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = socket.into_split();
    let (queue, mut replies) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(reply) = replies.recv().await {
            writer.write_all(&reply).await?;
        }
        io::Result::Ok(())
    });
    let mut room = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut room).await? {
            0 => return Ok(()),
            read => drop(queue.send(room[..read].to_vec())), // done at once: this is the bug
        }
    }
}

/// On: the next read begins when the last write is complete.
async fn on(mut socket: TcpStream) -> io::Result<()> {
    let mut room = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut room).await? {
            0 => return Ok(()),
            read => socket.write_all(&room[..read]).await?, // while this waits, nothing is read
        }
    }
}

/// Threads: the same, and the operating system does the waiting. A thread for each connection.
fn threads(mut socket: std::net::TcpStream) -> io::Result<()> {
    let mut room = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut room)? {
            0 => return Ok(()),
            read => socket.write_all(&room[..read])?, // the thread sleeps here
        }
    }
}
// [/show]

#[test]
fn all_three_send_back_what_they_were_sent() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for way in ["off", "on", "threads"] {
        let (mut client, server) = crate::kit::measure::connection().expect("sockets");
        let serving = std::thread::spawn({
            let runtime = runtime.handle().clone();
            move || {
                let of_tokio = |server: std::net::TcpStream| {
                    server.set_nonblocking(true)?;
                    TcpStream::from_std(server)
                };
                let _entered = runtime.enter();
                match way {
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

        assert!(received == sent, "{way}: {} of {} bytes came back", received.len(), sent.len());
        serving.join().expect("no panic").expect("no error");
    }
}

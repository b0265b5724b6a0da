//! The echo loop with the two usual timeouts, shown by `--show-code`. The experiment runs the full server, whose limits are in
//! `crates/server/src/table/reaper.rs`; the test below runs this loop.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

// [show]
/// One timeout around each read, and another around each write.
async fn echo(mut socket: TcpStream, idle: Duration, write: Duration) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        // Expires if the client sends nothing. A client that does not read never gets here: the loop waits below.
        let read = timeout(idle, socket.read(&mut buffer)).await??;
        if read == 0 {
            return Ok(());
        }
        // Expires if this reply is not accepted in time. It is 16 KiB at most: a limit on a whole download would
        // disconnect every client with a slow network.
        timeout(write, socket.write_all(&buffer[..read])).await??;
    }
}
// [/show]

#[test]
fn each_timeout_closes_its_own_kind_of_client() {
    use std::io::Write;

    use crate::kit::loopback::{connection, is_not_now};

    const SHORT: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(600);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (sends, idle, write) in [(false, SHORT, NEVER), (true, NEVER, SHORT)] {
        let (client, server) = connection().expect("sockets");
        let sending = std::thread::spawn(move || {
            while sends && (&client).write(&[b'x'; 1 << 16]).is_ok() {}
            client
        });

        server.set_nonblocking(true).expect("a socket");
        let ended = runtime.block_on(async { echo(TcpStream::from_std(server)?, idle, write).await });

        let error = ended.expect_err("a timeout expires");
        assert!(is_not_now(&error), "sends: {sends}: {error}");
        sending.join().expect("it ends with the connection");
    }
}

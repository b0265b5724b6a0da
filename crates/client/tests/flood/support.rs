//! Servers for the tests: blocking threads of the standard library, with a simple behaviour.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use echoctl_testkit::{PAUSE, Wait};

/// A server on its own port, with one thread per connection.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    received: Arc<AtomicU64>,
}

impl Server {
    /// A server that calls `serve` with each connection.
    pub(crate) fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Server {
        let received = Arc::new(AtomicU64::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, serve) = (stream.unwrap(), Arc::clone(&serve));
                // The client detects what goes wrong on a connection, and the test judges it.
                thread::spawn(move || serve(stream).ok());
            }
        });
        Server { addr, received }
    }

    /// A blocking echo that passes each piece through `damage`, with the number of bytes before it.
    pub(crate) fn echo(damage: impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static) -> Server {
        let received = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&received);
        let server = Server::start(move |mut stream| {
            let mut block = vec![0; 65536];
            let mut before = 0;
            loop {
                let length = stream.read(&mut block)?;
                if length == 0 {
                    return Ok(());
                }
                count.fetch_add(length as u64, SeqCst);
                let mut piece = block[..length].to_vec();
                damage(before, &mut piece);
                before += length as u64;
                stream.write_all(&piece)?;
            }
        });
        Server { received, ..server }
    }

    /// A correct blocking echo.
    pub(crate) fn honest() -> Server {
        Server::echo(|_, _| ())
    }

    /// Bytes that an echo has received, over all connections.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(SeqCst)
    }
}

/// Waits until `condition` holds, while the flood runs on the same thread.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let mut wait = Wait::new(what);
    while wait.check(condition()).is_none() {
        tokio::time::sleep(PAUSE).await;
    }
}

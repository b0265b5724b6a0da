//! A server in a child process, so that its memory can be measured: the child's side. `echoctl_trial::ChildServer` starts it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use echoctl_observe::start_thread;
use tokio::net::{TcpListener, TcpStream};

use super::loopback::loopback;

/// Serves connections on a free port of loopback until stdin is closed, each in a task. An error closes only its own connection.
/// Calls `listening` with the address.
pub(crate) fn serve_as_child<S: Future<Output = io::Result<()>> + Send + 'static>(
    serve: impl Fn(TcpStream) -> S,
    listening: impl FnOnce(SocketAddr) -> io::Result<()>,
) -> io::Result<()> {
    // One thread, so that a server needs the same memory on every machine.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    start_thread("stdin", move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(stop);
    })
    .map_err(io::Error::other)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(loopback()).await?;
        listening(listener.local_addr()?)?;
        let accepting = async {
            loop {
                let (socket, _) = listener.accept().await?;
                tokio::spawn(serve(socket));
            }
        };
        tokio::select! {
            ended = accepting => ended,
            _ = stopped => Ok(()),
        }
    })
}

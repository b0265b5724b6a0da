//! Servers on threads of this process, for experiments that measure time. (One that measures memory needs a process per server.)

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;

use echoctl_server::{Config, Event, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::LessonError;
use super::loopback::loopback;

/// A runtime with the servers of an experiment. They end when this is dropped, except for threads that wait for their peers: these
/// end with the peers.
pub(crate) struct LocalServers(Option<Runtime>);

impl LocalServers {
    /// A runtime of two threads, on which a task that waits delays no other.
    ///
    /// # Errors
    /// [`LessonError::NotVisible`] when the system refuses a thread.
    pub(crate) fn start() -> Result<LocalServers, LessonError> {
        Ok(LocalServers(Some(echoctl_server::runtime(Some(2))?)))
    }

    /// Serves on a free port of loopback, and calls `emit` with each event. Returns the address.
    ///
    /// # Errors
    /// When the server cannot listen, or does not have these settings on this system.
    pub(crate) fn echo(
        &self,
        config: Config,
        emit: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<SocketAddr, LessonError> {
        let server = Server::bind(Config { addr: loopback(), ..config })?;
        let addr = server.local_addr();
        self.runtime().spawn(server.serve(emit, pending()));
        Ok(addr)
    }

    /// Accepts connections on a free port of loopback, and serves each in a task. An error closes only its own connection. Returns
    /// the address.
    ///
    /// # Errors
    /// When the system refuses the socket.
    pub(crate) fn tasks<S: Future<Output = io::Result<()>> + Send + 'static>(
        &self,
        serve: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Result<SocketAddr, LessonError> {
        let listener = self.runtime().block_on(TcpListener::bind(loopback()))?;
        let addr = listener.local_addr()?;
        self.runtime().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket));
            }
        });
        Ok(addr)
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken only when this is dropped")
    }
}

impl Drop for LocalServers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

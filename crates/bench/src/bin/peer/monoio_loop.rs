//! monoio: io_uring where the kernel has it (otherwise epoll), one runtime per core, connections spread by `SO_REUSEPORT`.

use std::net::TcpListener;
use std::thread;

use anyhow::{Result, anyhow};
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;
use socket2::{Domain, Socket, Type};

pub(crate) fn serve(print_port: impl FnOnce(u16) -> Result<()>) -> Result<()> {
    let first = listen(0)?;
    let port = first.local_addr()?.port();
    let cores = thread::available_parallelism()?.get();
    let others = (1..cores).map(|_| listen(port)).collect::<Result<Vec<_>>>()?;
    print_port(port)?;
    let threads: Vec<_> =
        others.into_iter().chain([first]).map(|listener| thread::spawn(move || core(listener))).collect();
    threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a core panicked"))?)
}

fn listen(port: u16) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    crate::listen(socket, port)
}

fn core(listener: TcpListener) -> Result<()> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().with_entries(4096).build()?;
    runtime.block_on(async move {
        let listener = monoio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            monoio::spawn(echo(stream));
        }
    })
}

/// The kernel owns the buffer during a read or a write, so each call consumes it and returns it.
async fn echo(mut stream: TcpStream) {
    let mut buffer: Vec<u8> = Vec::with_capacity(64 * 1024);
    loop {
        let (count, filled) = stream.read(buffer).await;
        if !matches!(count, Ok(1..)) {
            return;
        }
        let (written, emptied) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        buffer = emptied;
        buffer.clear();
    }
}

//! monoio: io_uring where the kernel has it (otherwise epoll), one runtime per core, connections spread by `SO_REUSEPORT`.

use std::net::TcpListener;

use anyhow::Result;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;

/// Serves the connections of one listener.
pub(crate) fn serve(listener: TcpListener) -> Result<()> {
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

//! tokio's shortest echo: `tokio::io::copy` between the halves of a socket.

use std::net::TcpListener;

use anyhow::Result;

#[tokio::main]
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let (mut reader, mut writer) = stream.split();
            // An error means that the peer has gone.
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
    }
}

//! tokio's shortest echo: `tokio::io::copy` between the halves of a socket.

use std::io;

use tokio::net::TcpStream;

pub(crate) async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await.map(drop)
}

//! Lines with tokio-util: `LinesCodec`, each line forwarded from the stream to the sink.

use std::io;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LinesCodec};

pub(crate) async fn echo(stream: TcpStream) -> io::Result<()> {
    let (mut sink, mut lines) = Framed::new(stream, LinesCodec::new()).split();
    // `send_all` feeds while there are lines and flushes when there are none: the fast idiom.
    sink.send_all(&mut lines).await.map_err(io::Error::other)
}

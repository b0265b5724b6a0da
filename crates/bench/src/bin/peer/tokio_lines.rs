//! Lines with tokio-util: `LinesCodec`, each line forwarded from the stream to the sink.

use std::net::TcpListener;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::{Framed, LinesCodec};

#[tokio::main]
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let (mut sink, mut lines) = Framed::new(stream, LinesCodec::new()).split();
            // `send_all` feeds while there are lines and flushes when there are none: the fast idiom. An error means that
            // the peer has gone.
            let _ = sink.send_all(&mut lines).await;
        });
    }
}

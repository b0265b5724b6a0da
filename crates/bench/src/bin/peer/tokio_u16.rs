//! Frames with a 2-byte length with tokio-util: `LengthDelimitedCodec`, each frame forwarded from the stream to the sink.

use std::net::TcpListener;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::LengthDelimitedCodec;

#[tokio::main]
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let framed = LengthDelimitedCodec::builder().length_field_type::<u16>().new_framed(stream);
            let (mut sink, frames) = framed.split();
            let mut frames = frames.map(|frame| frame.map(|bytes| bytes.freeze()));
            // An error means that the peer has gone.
            let _ = sink.send_all(&mut frames).await;
        });
    }
}

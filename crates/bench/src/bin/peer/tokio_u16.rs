//! Frames with a 2-byte length with tokio-util: `LengthDelimitedCodec`, each frame forwarded from the stream to the sink.

use std::io;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_util::codec::LengthDelimitedCodec;

pub(crate) async fn echo(stream: TcpStream) -> io::Result<()> {
    let framed = LengthDelimitedCodec::builder().length_field_type::<u16>().new_framed(stream);
    let (mut sink, frames) = framed.split();
    let mut frames = frames.map(|frame| frame.map(|bytes| bytes.freeze()));
    sink.send_all(&mut frames).await
}

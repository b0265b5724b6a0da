//! An HTTP/2 server without TLS: replies to each request with a body without end.

use std::io;

use bytes::Bytes;
use futures_util::future::poll_fn;
use h2::SendStream;
use h2::server::{self, SendResponse};
use tokio::net::TcpStream;

/// Sends as fast as the client's window permits, as the documentation of h2 recommends.
pub(crate) async fn serve(stream: TcpStream) -> io::Result<()> {
    let mut connection = server::handshake(stream).await.map_err(io::Error::other)?;
    while let Some(request) = connection.accept().await {
        let (_, response) = request.map_err(io::Error::other)?;
        // An error means that the client has gone.
        tokio::spawn(async move { drop(body(response).await) });
    }
    Ok(())
}

async fn body(mut response: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut body = response.send_response(http::Response::new(()), false)?;
    let piece = Bytes::from_static(&[b'x'; PIECE]);
    loop {
        body.reserve_capacity(PIECE);
        match granted(&mut body).await {
            Some(granted) => body.send_data(piece.slice(..granted?.min(PIECE)), false)?,
            None => return Ok(()),
        }
    }
}

/// Bytes that may be sent now, once there are some; `None` when the stream is over.
async fn granted(body: &mut SendStream<Bytes>) -> Option<Result<usize, h2::Error>> {
    poll_fn(|context| body.poll_capacity(context)).await
}

const PIECE: usize = 64 * 1024;

//! A server by other authors, the crate `h2`, which answers as a scenario says and checks every request.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::DuplexStream;

/// Fields with distinct names.
pub(crate) type Fields = Vec<(String, String)>;

/// What the server announces, and how it behaves.
#[derive(Debug, Clone)]
pub(crate) struct Behaviour {
    /// The windows in which requests are received.
    pub(crate) initial_window: u32,
    pub(crate) connection_window: u32,
    pub(crate) max_frame: u32,
    pub(crate) max_streams: u32,
    /// The largest table of the client's encoder.
    pub(crate) table: u32,
    /// A window that it announces after its first request.
    pub(crate) later_window: Option<u32>,
    /// It sends GOAWAY after this number of requests.
    pub(crate) goes_away_after: Option<usize>,
}

/// One request with its response.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) request: Fields,
    pub(crate) request_body: usize,
    pub(crate) has_interim: bool,
    pub(crate) response: Fields,
    pub(crate) response_body: usize,
    pub(crate) trailers: Option<Fields>,
    /// The server resets the stream after this part of its body, in percent.
    pub(crate) server_resets_at: Option<usize>,
}

/// The byte at this place of a body.
pub(crate) fn content(index: usize, place: usize) -> u8 {
    (index * 31 + place % 251) as u8
}

/// Serves one connection until its client leaves.
///
/// # Panics
/// If a request is not the one of the scenario, or the client violates the protocol.
pub(crate) async fn serve(io: DuplexStream, behaviour: Behaviour, exchanges: Arc<Vec<Exchange>>) {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(behaviour.initial_window)
        .initial_connection_window_size(behaviour.connection_window)
        .max_frame_size(behaviour.max_frame)
        .max_concurrent_streams(behaviour.max_streams)
        .header_table_size(behaviour.table)
        .handshake::<_, Bytes>(io)
        .await
        .expect("a valid preface");
    let (mut accepted, mut tasks) = (0, Vec::new());
    while let Some(incoming) = connection.accept().await {
        let (request, respond) = match incoming {
            Ok(incoming) => incoming,
            // The client has closed the connection, as it may.
            Err(error) if error.is_io() => break,
            Err(error) => panic!("the client violated the protocol: {error}"),
        };
        tasks.push(tokio::spawn(answer(request, respond, exchanges.clone())));
        accepted += 1;
        if let Some(window) = behaviour.later_window.filter(|_| accepted == 1) {
            connection.set_initial_window_size(window).expect("one change at a time");
        }
        if behaviour.goes_away_after == Some(accepted) {
            connection.graceful_shutdown();
        }
    }
    // What waits for this connection ends with it.
    drop(connection);
    for task in tasks {
        task.await.expect("no request differs");
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    exchanges: Arc<Vec<Exchange>>,
) {
    let index: usize = request.uri().path()[1..].parse().expect("a number as path");
    let exchange = &exchanges[index];
    assert_eq!(
        (request.method().as_str(), request.uri().to_string()),
        ("POST", format!("http://localhost/{index}"))
    );
    assert_eq!(request.headers(), &map(&exchange.request));
    if exchange.has_interim {
        let interim = Response::builder().status(103).body(()).expect("a valid response");
        if respond.send_informational(interim).is_err() {
            return;
        }
    }
    let mut response = Response::new(());
    *response.headers_mut() = map(&exchange.response);
    let is_empty =
        exchange.response_body == 0 && exchange.trailers.is_none() && exchange.server_resets_at.is_none();
    // It fails once the client is gone.
    let Ok(send) = respond.send_response(response, is_empty) else { return };
    let receiving = receive(request.into_body(), index, exchange);
    if is_empty {
        receiving.await;
    } else {
        tokio::join!(receiving, send_body(send, index, exchange));
    }
}

/// Receives a request's body, and grants the client what it has received.
async fn receive(mut body: RecvStream, index: usize, exchange: &Exchange) {
    let mut received = 0;
    while let Some(Ok(data)) = body.data().await {
        for (place, &byte) in data.iter().enumerate() {
            assert_eq!(byte, content(index, received + place));
        }
        received += data.len();
        if body.flow_control().release_capacity(data.len()).is_err() {
            return;
        }
    }
    let is_cut_short = exchange.server_resets_at.is_some();
    assert!(received == exchange.request_body || is_cut_short, "{received} of {}", exchange.request_body);
}

/// Sends a response's body, as the client's windows permit, and its trailers.
async fn send_body(mut stream: SendStream<Bytes>, index: usize, exchange: &Exchange) {
    let end = exchange
        .server_resets_at
        .map_or(exchange.response_body, |percent| exchange.response_body * percent / 100);
    let ends_with_data = exchange.trailers.is_none() && exchange.server_resets_at.is_none();
    let mut sent = 0;
    while sent < end {
        stream.reserve_capacity(end - sent);
        let Some(Ok(capacity)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else {
            return;
        };
        let piece: Vec<u8> =
            (sent..sent + capacity.min(end - sent)).map(|place| content(index, place)).collect();
        sent += piece.len();
        if stream.send_data(piece.into(), ends_with_data && sent == end).is_err() {
            return;
        }
    }
    if exchange.server_resets_at.is_some() {
        stream.send_reset(Reason::INTERNAL_ERROR);
    } else if let Some(trailers) = &exchange.trailers {
        let _ = stream.send_trailers(map(trailers));
    } else if end == 0 {
        let _ = stream.send_data(Bytes::new(), true);
    }
}

fn map(fields: &Fields) -> HeaderMap {
    let field = |(name, value): &(String, String)| {
        let name: HeaderName = name.parse().expect("a valid name");
        (name, value.parse::<HeaderValue>().expect("a valid value"))
    };
    fields.iter().map(field).collect()
}

//! The HTTP endpoint: listens, and answers requests.

use std::fmt::{self, Display};
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use axum::serve::IncomingStream;
use echoctl_record::MetricsFigures;
use tokio::net::TcpListener;

use crate::Error;
use crate::bounded::Limits;
use crate::format::Format;
use crate::listener::{BoundedListener, Queues, listen};
use crate::places::PlaceId;
use crate::scrape::Scrapes;

/// Where metrics are served, or will be.
pub struct Endpoint {
    listener: TcpListener,
    addr: SocketAddr,
    limits: Limits,
}

impl Endpoint {
    /// Listens. Must run on a tokio runtime with I/O.
    ///
    /// # Errors
    /// If the address is in use, is not one of this host, or needs a privilege.
    pub async fn bind(addr: SocketAddr) -> Result<Endpoint, Error> {
        let error = |source| Error::Listen { addr, source };
        let listener = listen(addr, QUEUES).map_err(error)?;
        let addr = listener.local_addr().map_err(error)?;
        Ok(Endpoint { listener, addr, limits: Limits::default() })
    }

    /// Its address, with the port that the kernel chose for port 0.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves metrics until it is dropped. `source` takes a sample; it is called when a client asks, on a thread that may block, at
    /// most once at a time and once per second. Must run on a tokio runtime with I/O and time.
    pub async fn serve<E: Display>(self, source: impl FnMut() -> Result<MetricsFigures, E> + Send + 'static) {
        let pages = Router::new()
            .route("/", get(|| async { plain(StatusCode::OK, PAGE) }))
            .route("/metrics", get(metrics))
            .fallback(|| async { plain(StatusCode::NOT_FOUND, "not found: the metrics are at /metrics\n") })
            .with_state(Scrapes::new(source));
        let listener = BoundedListener::new(self.listener, self.limits, MAX_CONNECTIONS);
        // It returns only after a shutdown, which is not requested.
        let _ = axum::serve(listener, pages.into_make_service_with_connect_info::<PlaceId>()).await;
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Connected<IncomingStream<'_, BoundedListener>> for PlaceId {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> PlaceId {
        stream.io().place().clone()
    }
}

async fn metrics(
    State(scrapes): State<Scrapes>,
    ConnectInfo(place): ConnectInfo<PlaceId>,
    headers: HeaderMap,
) -> Response<Body> {
    let _served = place.serve();
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::preferred(&accept.collect::<Vec<_>>().join(","));
    match scrapes.text(format).await {
        Ok(text) => reply(StatusCode::OK, format.media_type(), text),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("cannot sample: {why}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    reply(status, "text/plain; charset=utf-8", text)
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The page at `/`.
const PAGE: &str = "echoctl: metrics of TCP listeners are at /metrics, for Prometheus\n";

/// Connections at a time: a few scrapers and browsers. Each takes a few tens of KiB.
const MAX_CONNECTIONS: usize = 64;

/// Of a connection: room for the metrics of a hundred listeners, so that a client that sends many requests and does not read gets
/// few replies.
const QUEUES: Queues = Queues { send: 64 << 10, receive: None };

//! The HTTP endpoint: listens, and answers requests.

use std::fmt::{self, Display};
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use echoctl_record::MetricsFigures;
use tokio::net::TcpListener;

use crate::Error;
use crate::bounded::{BoundedListener, Limits};
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
        let listener = TcpListener::bind(addr).await.map_err(error)?;
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
        // It returns only after a shutdown, which is not requested.
        let _ = axum::serve(BoundedListener::new(self.listener, self.limits), pages).await;
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("addr", &self.addr).finish_non_exhaustive()
    }
}

async fn metrics(State(scrapes): State<Scrapes>) -> Response<Body> {
    match scrapes.text().await {
        Ok(text) => reply(StatusCode::OK, OPENMETRICS, text),
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
const PAGE: &str = "echoctl: metrics of TCP listeners are at /metrics (OpenMetrics, for Prometheus)\n";

/// The media type of the format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

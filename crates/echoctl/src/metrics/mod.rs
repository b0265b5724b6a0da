//! Metrics over HTTP, of `watch --metrics` and `serve --metrics`.
//!
//! - [`Collector`]: takes a sample of listeners, which the crate `live` serves.
//! - `listener_series`: what is remembered of each listener, so that counters never fall and series end.
//! - `stalls`: since when connections are stalled.
//! - `processes`: which processes listen, and their memory.

mod collector;
mod listener_series;
mod processes;
mod stalls;

use std::net::SocketAddr;

use echoctl_live::Endpoint;

use crate::exit::Failure;
use crate::output::note;

pub(crate) use collector::Collector;

/// What the long help of each `--metrics` says.
macro_rules! help {
    () => {
        "In the formats of Prometheus, at http://ADDR/metrics. A sample is taken when a scraper requests it. A port without a host is on \
         loopback, and port 0 lets the kernel choose one. There is no authentication: on another address than loopback, every host \
         that can reach it can read the metrics."
    };
}
pub(crate) use help;

/// Listens, and prints where; `what` has metrics there.
///
/// # Errors
/// If the address cannot be listened on.
pub(crate) async fn listen(addr: SocketAddr, what: &str) -> Result<Endpoint, Failure> {
    let endpoint = Endpoint::bind(addr).await?;
    let addr = endpoint.addr();
    note(format_args!("metrics of {what} at http://{addr}/metrics"));
    if !addr.ip().to_canonical().is_loopback() {
        note("warning: every host that can reach this address can read the metrics");
    }
    Ok(endpoint)
}

//! `serve --metrics`: metrics of the server's listener and connections, with what only the server knows.

use std::net::SocketAddr;
use std::sync::Arc;

use echoctl_record::{MetricsFigures, OwnServerMetrics};
use echoctl_server::Server;
use tokio::runtime::Runtime;

use super::printer::Printer;
use crate::exit::Failure;
use crate::metrics::{self, Collector};

/// Serves metrics of `server` at `addr`, as long as the runtime runs.
///
/// # Errors
/// If the address cannot be listened on, or this system does not show connections.
pub(super) fn start(
    runtime: &Runtime,
    addr: SocketAddr,
    server: &Server,
    printer: Arc<Printer>,
) -> Result<(), Failure> {
    let mut collector = Collector::of_own(server.local_addr().into())?;
    let policy = server.config().policy.name().to_owned();
    let endpoint = runtime.block_on(metrics::listen(addr, "this server"))?;
    runtime.spawn(endpoint.serve(move || {
        let own_server = OwnServerMetrics { policy: policy.clone(), buffered: printer.buffered() };
        let figures = collector.sample();
        figures.map(|figures| MetricsFigures { own_server: Some(own_server), ..figures })
    }));
    Ok(())
}

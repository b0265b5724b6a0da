//! `serve --metrics`: metrics of the server's listener and connections, with what only the server knows.

use std::net::SocketAddr;

use echoctl_record::{MetricsFigures, OwnServerMetrics};
use echoctl_server::Server;
use tokio::runtime::Runtime;

use crate::exit::Failure;
use crate::metrics::{self, Collector};

/// Serves metrics of `server` at `addr`, as long as the runtime runs.
///
/// # Errors
/// If the address cannot be listened on, or this system does not show connections.
pub(in crate::commands) fn start(
    runtime: &Runtime,
    addr: SocketAddr,
    server: &Server,
) -> Result<(), Failure> {
    let mut collector = Collector::of_own(server.local_addr().into())?;
    let control = server.control();
    let endpoint = runtime.block_on(metrics::listen(addr, "this server"))?;
    runtime.spawn(endpoint.serve(move || {
        let policy = control.policy().name().to_owned();
        let own_server = OwnServerMetrics { policy, buffered: control.stats().buffered };
        let figures = collector.sample();
        figures.map(|figures| MetricsFigures { own_server: Some(own_server), ..figures })
    }));
    Ok(())
}

//! JSON events of `class`, besides those that `serve` has as well.

use std::net::SocketAddr;

use serde::Serialize;

/// Where the page is, for all viewers: the teacher's secret is in no event.
#[derive(Debug, Serialize)]
pub(super) struct PageEvent {
    pub(super) addr: SocketAddr,
    pub(super) url: String,
}

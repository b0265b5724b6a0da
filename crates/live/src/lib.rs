//! Serves over HTTP what is measured at this moment: metrics for Prometheus, in the OpenMetrics format.
//!
//! A client that does not read, or that sends its request slowly, costs one connection of a limited number for a limited time, and no
//! memory beyond the text that all clients share.
//!
//! - [`Endpoint`]: listens, and answers requests: `/metrics`, and `/` with a page that says so.
//! - `scrape`: the text of a sample. Samples are taken when a client asks, one at a time, and not again within a second.
//! - `openmetrics`: the names, units and help of the metrics, and their encoding.
//! - `bounded`: connections with a limit of their number and of the time without progress.

#![forbid(unsafe_code)]

mod bounded;
mod endpoint;
mod error;
mod openmetrics;
mod scrape;

pub use endpoint::Endpoint;
pub use error::Error;

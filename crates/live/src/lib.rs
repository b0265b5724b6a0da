//! Serves over HTTP what is measured at this moment: metrics for Prometheus, as OpenMetrics or in its older text format, and the page of
//! a class.
//!
//! A client that does not read, or that sends its request slowly, costs one connection of a limited number for a limited time, and no
//! memory beyond the text that all clients share.
//!
//! - [`Endpoint`]: listens, and answers requests: `/metrics`, and `/` with a page that says so.
//! - `scrape`: the text of a sample. Samples are taken when a client asks, one at a time, and not again within a second.
//! - `openmetrics`: the names, units and help of the metrics, and their encoding.
//! - `format`: the two formats, and which of them a client asks for.
//! - [`ClassPage`]: a page with a stream of events, votes and a switch, for those who know its [`Access`].
//! - `listener`: connections that buffer little; `bounded`: with a limit of the time without progress; `places`: with one of their
//!   number.

#![forbid(unsafe_code)]

mod bounded;
mod class;
mod endpoint;
mod error;
mod format;
mod listener;
mod openmetrics;
mod places;
mod scrape;

pub use class::{Access, ClassFeed, ClassPage, CommandRequest, Questions, Refusal};
pub use endpoint::Endpoint;
pub use error::Error;

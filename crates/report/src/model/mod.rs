//! What is drawn: charts and tables, independently of how they are drawn.

pub(crate) mod axis;
mod chart;
pub(crate) mod columns;
mod series;
pub(crate) mod table;
mod text;

pub use axis::Unit;
pub use chart::{Chart, Form, Limit, Phase};
pub use series::{Ink, Series, Stroke};
pub use table::{NOT_RUN, Table, shown};
pub(crate) use text::labelled;
pub use text::{wrap, wrap_code};

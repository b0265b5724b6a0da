//! The help: keys, causes and columns.

use echoctl_record::{ConnectionCause, Roles};

use super::cause::{label, meaning};
use super::page::Page;

/// The page of `?`.
pub(super) fn page() -> Page {
    let causes = ConnectionCause::ALL
        .map(|cause| format!("  {:<20}  {}\n", label(cause, Roles::Served), meaning(cause, Roles::Served)));
    Page::new("Keys and causes", format!("{KEYS}\nCauses, the worst first\n{}\n{FIGURES}", causes.concat()))
}

const KEYS: &str = "\
Keys
  ↑ ↓ j k    select a connection; PgUp, PgDn, Home, End as well
  Enter      its queues over time, and its cause
  e          its cause explained, with the command of ss that shows it
  1 … 9      sort by that column
  r          reverse the order
  /          show only rows that contain a text: an address, a process, a cause, a state
  g          group by remote address: sums, and the worst cause
  space      freeze, or go on
  s          save a recording of the watch so far, for echoctl report
  Esc        go back: from a page, a filter, a group, a selection
  q          quit, and print the summary
";

const FIGURES: &str = "\
Figures
  The time beside a cause is how long it has lasted, at least.
  - or a column that is not there means: not visible on this host.
  In and out are bytes that the server receives and writes.
";

//! What a teacher changed during a class.

use echoctl_record::{ClassLog, Seconds};

use crate::Table;

/// Each change of a setting with its time; `None` if there was none.
pub fn changes(class: &ClassLog) -> Option<Table> {
    let table = Table::new("What was changed", ["after", "to"]);
    let table = class
        .marks
        .iter()
        .fold(table, |table, mark| table.row([Seconds(mark.t).to_string(), mark.label.clone()]));
    (!table.rows.is_empty()).then_some(table)
}

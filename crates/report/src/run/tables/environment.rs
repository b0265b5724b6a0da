//! The command of a run, its time, and the machine.

use echoctl_record::{Bytes, Run};

use crate::Table;

/// The command, the versions, the machine and its settings. What the recording does not contain is left out.
pub fn environment(run: &Run) -> Table {
    let machine = &run.machine;
    let system =
        [Some(machine.system.as_str()), machine.kernel.as_deref(), Some(machine.architecture.as_str())];
    let system: Vec<&str> = system.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let bytes = |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| Bytes(bytes).to_string());
    let rows = [
        ("command", run.command.join(" ")),
        ("started", if run.started > 0 { utc(run.started) } else { String::new() }),
        ("host", run.host.clone().unwrap_or_default()),
        ("machine", machine_number(run).unwrap_or_default()),
        ("echoctl", run.version.clone()),
        ("system", system.join(" ")),
        ("processors", if machine.processors > 0 { machine.processors.to_string() } else { String::new() }),
        ("memory", bytes(machine.memory)),
        ("kernel buffering per connection", bytes(machine.kernel_buffering)),
    ];
    let rows = rows.into_iter().map(|(name, value)| (name.to_owned(), value));
    let sysctls = machine.sysctls.iter().map(|(name, value)| (name.clone(), value.replace('\t', " ")));
    let known = rows.chain(sysctls).filter(|(_, value)| !value.is_empty());
    known.fold(Table::default(), |table, (name, value)| table.row([name, value]))
}

/// Its number among the machines of one run, from 0: `2 of 8`.
pub(super) fn machine_number(run: &Run) -> Option<String> {
    let index = run.index?;
    Some(run.of.map_or_else(|| index.to_string(), |of| format!("{index} of {of}")))
}

/// Seconds since 1970 as a date and a time of day.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The calendar repeats every 400 years (146,097 days). Years start in March here, so that the leap day is the last one, and the
    // months before it follow one pattern of 153 days in five.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{}-{month:02}-{day_of_month:02} {hour:02}:{minute:02} UTC", year + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use echoctl_record::Machine;

    use super::*;

    #[test]
    fn times_are_printed_as_dates() {
        let printed = [0, 951_782_400, 951_868_799, 1_709_164_800, 4_102_444_799].map(utc);

        assert_eq!(
            printed,
            [
                "1970-01-01 00:00 UTC",
                "2000-02-29 00:00 UTC",
                "2000-02-29 23:59 UTC",
                "2024-02-29 00:00 UTC",
                "2099-12-31 23:59 UTC"
            ]
        );
    }

    #[test]
    fn unknown_values_have_no_row() {
        let run = Run::new("", vec![], 0, "127.0.0.1:7".to_owned(), Machine::default());
        assert_eq!(environment(&run), Table::default());

        let machine = Machine { system: "linux".to_owned(), processors: 2, ..Machine::default() };
        let run =
            Run::new("0.1.0", vec!["echoctl".to_owned(), "flood".to_owned()], 0, "x".to_owned(), machine);
        let names: Vec<String> = environment(&run).rows.into_iter().map(|mut row| row.remove(0)).collect();
        assert_eq!(names, ["command", "echoctl", "system", "processors"]);
    }
}

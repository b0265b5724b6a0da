//! Writes the samples of a run as CSV (RFC 4180).

use echoctl_record::{Queue, Queues, Sample};

/// The samples of a run as they were recorded, with the queues between their counters; fields that were not visible are empty.
pub fn samples(samples: &[Sample]) -> String {
    let mut out = COLUMNS.join(",") + "\r\n";
    for sample in samples {
        let queues = Queues::of(sample);
        let bytes = [
            Some(sample.connections.into()),
            Some(sample.produced),
            sample.server_received,
            sample.server_read,
            sample.server_written,
            sample.client_received,
            Some(sample.consumed),
            queues[Queue::ClientSend],
            queues[Queue::ServerReceive],
            queues[Queue::Inside],
            queues[Queue::ServerSend],
            queues[Queue::ClientReceive],
            sample.server_memory,
            sample.kernel_memory,
            sample.window,
            sample.skew,
            sample.remote_clients.map(u64::from),
        ];
        out.push_str(&number(sample.t));
        for field in bytes.map(text).into_iter().chain([text(sample.is_echo)]) {
            out.push(',');
            out.push_str(&field);
        }
        out.push_str("\r\n");
    }
    out
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A number with at most six decimals and no trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Names of the fields of a sample in JSON, and of its queues.
const COLUMNS: [&str; 19] = [
    "t",
    "connections",
    "produced",
    "server_received",
    "server_read",
    "server_written",
    "client_received",
    "consumed",
    "client_send",
    "server_receive",
    "inside_server",
    "server_send",
    "client_receive",
    "server_memory",
    "kernel_memory",
    "window",
    "skew",
    "remote_clients",
    "is_echo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_counter_leaves_its_column_empty() {
        let sample = Sample { t: 0.05, produced: 9, consumed: 4, window: Some(0), ..Sample::default() };

        let text = samples(&[sample]);

        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows[0].len(), rows[1].len());
        assert_eq!(
            (rows[1][0], rows[1][2], rows[1][3], rows[1][7], rows[1][15]),
            ("0.05", "9", "", "4", "0")
        );
    }

    #[test]
    fn what_makes_a_queue_unknown_has_a_column() {
        let sample = Sample { remote_clients: Some(2), is_echo: Some(false), ..Sample::default() };

        let text = samples(&[Sample::default(), sample]);

        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].ends_with(",remote_clients,is_echo"), "{text}");
        assert!(rows[1].ends_with(",,") && rows[2].ends_with(",2,false"), "{text}");
    }
}

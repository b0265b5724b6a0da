//! Writes the samples of a run as CSV (RFC 4180).

use echoctl_record::{Queue, Queues, Sample};

/// The samples of a run as they were recorded, with the queues between their counters; fields that were not visible are empty.
pub fn samples(samples: &[Sample]) -> String {
    let head = fields(&Sample::default()).map(|(name, _)| name.to_owned());
    let rows = samples.iter().map(|sample| fields(sample).map(|(_, value)| value));
    std::iter::once(head).chain(rows).map(|row| row.join(",") + "\r\n").collect()
}

/// The fields of a sample, named as in JSON, and its queues.
fn fields(sample: &Sample) -> [(&'static str, String); 20] {
    let queues = Queues::of(sample);
    [
        ("t", number(sample.t)),
        ("connections", sample.connections.to_string()),
        ("produced", sample.produced.to_string()),
        ("server_received", text(sample.server_received)),
        ("server_read", text(sample.server_read)),
        ("server_written", text(sample.server_written)),
        ("client_received", text(sample.client_received)),
        ("consumed", sample.consumed.to_string()),
        ("client_send", text(queues[Queue::ClientSend])),
        ("server_receive", text(queues[Queue::ServerReceive])),
        ("inside_server", text(queues[Queue::Inside])),
        ("server_send", text(queues[Queue::ServerSend])),
        ("client_receive", text(queues[Queue::ClientReceive])),
        ("server_memory", text(sample.server_memory)),
        ("kernel_memory", text(sample.kernel_memory)),
        ("window", text(sample.window)),
        ("client_window", text(sample.client_window)),
        ("skew", text(sample.skew)),
        ("remote_clients", text(sample.remote_clients)),
        ("is_echo", text(sample.is_echo)),
    ]
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A number with at most six decimals and no trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

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

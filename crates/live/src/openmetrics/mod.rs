//! The metrics: their names, units and help, and their encoding as OpenMetrics text.
//!
//! The names are promises: alert rules and dashboards use them. All metrics of a listener are in one table, and have the labels
//! `listen` and `process`. There is no label with a pid, which would start new series with each restart, and none with a connection.
//! What is not visible has no series.

use std::fmt;

use echoctl_record::{ListenerMetrics, MetricsFigures};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

/// The figures as a complete OpenMetrics text.
pub(crate) fn text(figures: MetricsFigures) -> String {
    let mut text = String::with_capacity(LISTENER_BYTES * (figures.listeners.len() + 2));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exported(figures)));
    // Writing to a string does not fail.
    let _ = text::encode(&mut text, &registry);
    text
}

/// Encodes figures at each scrape.
#[derive(Debug)]
struct Exported(MetricsFigures);

impl Collector for Exported {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Exported(figures) = self;
        for family in &OF_A_LISTENER {
            let mut series = family.describe(&mut encoder)?;
            for listener in &figures.listeners {
                let labels = [("listen", listener.listen.as_str()), ("process", &listener.process)];
                for (label, value) in (family.values)(listener).into_iter().filter_map(visible) {
                    let labels: Vec<(&str, &str)> = labels.into_iter().chain(label).collect();
                    value.encode(family.kind, series.encode_family(&labels)?)?;
                }
            }
        }
        for family in &OF_THE_HOST {
            let series = family.describe(&mut encoder)?;
            if let Some(value) = (family.values)(figures) {
                value.encode(family.kind, series)?;
            }
        }
        if let Some(server) = &figures.own_server {
            let mut series = OWN_SERVER_BUFFERED.describe(&mut encoder)?;
            let labels = [("policy", server.policy.as_str())];
            Value::Whole(server.buffered).encode(OWN_SERVER_BUFFERED.kind, series.encode_family(&labels)?)?;
        }
        let help = "The version of echoctl that serves these metrics.";
        let mut info = encoder.encode_descriptor("echoctl_build", help, None, MetricType::Info)?;
        info.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

/// A metric: a name with its series.
struct Family<Values> {
    /// Without its unit.
    name: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    help: &'static str,
    values: Values,
}

impl<Values> Family<Values> {
    const fn new(name: &'static str, kind: MetricType, help: &'static str, values: Values) -> Family<Values> {
        Family { name, unit: None, kind, help, values }
    }

    const fn in_bytes(
        name: &'static str,
        kind: MetricType,
        help: &'static str,
        values: Values,
    ) -> Family<Values> {
        Family { name, unit: Some(Unit::Bytes), kind, help, values }
    }

    const fn in_seconds(
        name: &'static str,
        kind: MetricType,
        help: &'static str,
        values: Values,
    ) -> Family<Values> {
        Family { name, unit: Some(Unit::Seconds), kind, help, values }
    }

    fn describe<'s>(
        &'s self,
        encoder: &'s mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), self.kind)
    }
}

/// A value, `None` if it is not visible, with the label that tells it from the others of the same listener.
type Labelled = (Option<(&'static str, &'static str)>, Option<Value>);

/// The values of a listener.
type OfAListener = fn(&ListenerMetrics) -> Vec<Labelled>;

/// The value of a host.
type OfTheHost = fn(&MetricsFigures) -> Option<Value>;

/// A number. A whole one is printed with all its digits.
#[derive(Debug, Clone, Copy)]
enum Value {
    Whole(u64),
    Seconds(f64),
}

impl Value {
    fn encode(self, kind: MetricType, encoder: MetricEncoder<'_>) -> fmt::Result {
        match (kind, self) {
            (MetricType::Counter, Value::Whole(value)) => ConstCounter::new(value).encode(encoder),
            (MetricType::Counter, Value::Seconds(value)) => ConstCounter::new(value).encode(encoder),
            (_, Value::Whole(value)) => ConstGauge::new(value).encode(encoder),
            (_, Value::Seconds(value)) => ConstGauge::new(value).encode(encoder),
        }
    }
}

fn visible((label, value): Labelled) -> Option<(Option<(&'static str, &'static str)>, Value)> {
    Some((label, value?))
}

fn one(value: Option<u64>) -> Vec<Labelled> {
    vec![(None, value.map(Value::Whole))]
}

fn seconds(value: Option<f64>) -> Vec<Labelled> {
    vec![(None, value.map(Value::Seconds))]
}

/// Two series that a label tells apart.
fn two(label: &'static str, [(one, first), (other, second)]: [(&'static str, u64); 2]) -> Vec<Labelled> {
    let series = |name, value| (Some((label, name)), Some(Value::Whole(value)));
    vec![series(one, first), series(other, second)]
}

static OF_A_LISTENER: [Family<OfAListener>; 11] = [
    Family::new(
        "tcp_listener_connections",
        MetricType::Gauge,
        "Open connections, with those in the accept queue.",
        |listener| one(Some(listener.connections)),
    ),
    Family::in_bytes(
        "tcp_listener_queue",
        MetricType::Gauge,
        "Bytes in the server's kernel queues, over all connections.",
        |listener| {
            two("queue", [("send", listener.send_queue.total), ("receive", listener.receive_queue.total)])
        },
    ),
    Family::in_bytes(
        "tcp_listener_queue_max",
        MetricType::Gauge,
        "Bytes in the server's kernel queue of the connection where it is longest.",
        |listener| two("queue", [("send", listener.send_queue.max), ("receive", listener.receive_queue.max)]),
    ),
    Family::new(
        "tcp_listener_stalled_connections",
        MetricType::Gauge,
        "Connections in which one side waits for the other to read, by the side that does not read or reads slowly. With both, a \
         connection counts twice.",
        |listener| {
            two("by", [("client", listener.stalled_by_client), ("server", listener.stalled_by_server)])
        },
    ),
    Family::in_seconds(
        "tcp_listener_oldest_stall",
        MetricType::Gauge,
        "How long the oldest stalled connection has been stalled: since something was last read, or since a slow reader was found at \
         every scrape. 0 without one.",
        |listener| seconds(Some(listener.oldest_stall)),
    ),
    Family::in_seconds(
        "tcp_listener_rwnd_limited",
        MetricType::Counter,
        "Time in which the receive windows of clients kept the kernel from sending, added over all connections.",
        |listener| seconds(listener.rwnd_limited),
    ),
    Family::in_bytes(
        "tcp_listener_sent",
        MetricType::Counter,
        "Bytes sent and acknowledged by the clients' kernels.",
        |listener| one(listener.sent),
    ),
    Family::in_bytes(
        "tcp_listener_received",
        MetricType::Counter,
        "Bytes received from clients.",
        |listener| one(listener.received),
    ),
    Family::new(
        "tcp_listener_accept_queue",
        MetricType::Gauge,
        "Connections that the server has not accepted.",
        |listener| one(listener.accept_queue),
    ),
    Family::new(
        "tcp_listener_accept_queue_limit",
        MetricType::Gauge,
        "The most connections that the accept queue holds.",
        |listener| one(listener.accept_queue_limit),
    ),
    Family::in_bytes(
        "process_tree_anonymous_memory",
        MetricType::Gauge,
        "Anonymous memory of the processes that listen there and of their descendants. Processes that listen at several addresses \
         appear with each: do not add.",
        |listener| one(listener.anonymous_memory),
    ),
];

static OF_THE_HOST: [Family<OfTheHost>; 3] = [
    Family::in_bytes(
        "tcp_memory",
        MetricType::Gauge,
        "Kernel memory of all TCP sockets of the host.",
        |figures| figures.tcp_memory.map(Value::Whole),
    ),
    Family::in_bytes(
        "tcp_memory_pressure",
        MetricType::Gauge,
        "The amount of TCP memory above which the kernel shrinks all queues.",
        |figures| figures.tcp_memory_pressure.map(Value::Whole),
    ),
    Family::new(
        "echoctl_listeners_omitted",
        MetricType::Gauge,
        "Listening addresses without metrics, because there are too many.",
        |figures| Some(Value::Whole(figures.listeners_omitted)),
    ),
];

static OWN_SERVER_BUFFERED: Family<()> = Family::in_bytes(
    "echoctl_server_buffered",
    MetricType::Gauge,
    "Bytes in the reply queues and frame buffers of echoctl's own server, by its backpressure policy.",
    (),
);

/// About the text of one listener's series.
const LISTENER_BYTES: usize = 1536;

#[cfg(test)]
mod tests;

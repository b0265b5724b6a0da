//! What is exported to a monitoring system at one instant, without a figure per connection.

/// The figures of a host, or of some of its servers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricsFigures {
    /// The listening addresses, each once.
    pub listeners: Vec<ListenerMetrics>,
    /// Number of listening addresses that are left out, because there are too many.
    pub listeners_omitted: u64,
    /// Memory of all TCP sockets of the host, in bytes.
    pub tcp_memory: Option<u64>,
    /// The amount of it from which on the kernel shrinks all queues.
    pub tcp_memory_pressure: Option<u64>,
    /// What our own server buffers, in bytes; `None` for any other.
    pub own_server: Option<OwnServerMetrics>,
}

/// One listening address with all its connections. Sizes in bytes, times in seconds; `None` is not visible.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListenerMetrics {
    /// The address.
    pub listen: String,
    /// The names of the processes that listen, without their pids; empty if they are not visible. Of a listener that has vanished,
    /// the last ones.
    pub process: String,
    /// Number of open connections, with those in the accept queue.
    pub connections: u64,
    /// The send queues of the server's sockets.
    pub send_queue: QueueMetrics,
    /// The receive queues of the server's sockets.
    pub receive_queue: QueueMetrics,
    /// Number of connections that wait until the client reads, or reads faster.
    pub stalled_by_client: u64,
    /// Number of connections that wait until the server does. If both sides wait for each other, it counts in both.
    pub stalled_by_server: u64,
    /// How long the oldest of these has waited, with moments in which a slow reader reads; 0 without one.
    pub oldest_stall: f64,
    /// Time in which the clients' receive windows kept the kernel from sending, added over all connections that were ever seen.
    pub rwnd_limited: Option<f64>,
    /// Bytes that the clients' kernels have acknowledged, over all connections that were ever seen.
    pub sent: Option<u64>,
    /// Bytes received, over all connections that were ever seen.
    pub received: Option<u64>,
    /// Number of connections that the server has not accepted yet.
    pub accept_queue: Option<u64>,
    /// The most that the accept queue holds.
    pub accept_queue_limit: Option<u64>,
    /// Anonymous memory of the processes that listen there, and of their descendants.
    pub anonymous_memory: Option<u64>,
}

/// The same queue of all connections of a listener, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueMetrics {
    /// Over all connections.
    pub total: u64,
    /// On the connection where it is longest.
    pub max: u64,
}

/// What our own server knows about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnServerMetrics {
    /// Name of its backpressure policy.
    pub policy: String,
    /// Bytes in its reply queues and frame buffers.
    pub buffered: u64,
}

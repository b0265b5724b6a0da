//! The echo server: listener, connection, backpressure, reply queue, limits.

//! The client: producer, consumer, pacing, payload, integrity check.

//! What the kernel tells: socket queues of both ends, process memory, who listens.

//! One endpoint of a TCP connection: its state, counters, queues and kernel memory.
//!
//! This process's own sockets are read through their file descriptors, all others through sock_diag.

mod diag;
mod queues;
mod socket_memory;
mod tcp_info;
mod tcp_state;

#[cfg(all(target_os = "linux", any(test, fuzzing)))]
pub use diag::check_messages;
pub use diag::{SocketDiag, SocketEntry, Timer};
pub use queues::{AsHandle, receive_queue, send_queue};
pub use socket_memory::SocketMemory;
pub use tcp_info::{Side, TcpInfo};
pub use tcp_state::TcpState;

//! Prints how much this machine buffers for a connection, and what memory is left: `cargo run -p echoctl-observe --example limits`

use echoctl_observe::{KernelBuffering, MemoryShare, TcpMemory, available_memory, machine};
use echoctl_record::Bytes;

fn main() {
    let machine = machine();
    println!("{} {} on {}", machine.system, machine.kernel.unwrap_or_default(), machine.architecture);

    let buffering = KernelBuffering::here();
    println!("\nThe kernels of both ends buffer at most {} on one connection:", Bytes(buffering.total()));
    for (queue, bytes) in [
        ("the client's send queue", buffering.client_send),
        ("the server's receive queue", buffering.server_receive),
        ("the server's send queue", buffering.server_send),
        ("the receive queue of a client that never reads", buffering.client_receive),
    ] {
        println!("  {queue:<48}{:>10}", Bytes(bytes).to_string());
    }

    if let Some(tcp) = TcpMemory::now() {
        let share = 100.0 * tcp.utilization();
        println!("\nTCP uses {}, {share:.0} % of where the kernel begins to shrink queues.", Bytes(tcp.used));
    }
    if let Some(left) = available_memory() {
        println!(
            "This process can still allocate {}; a limit that fits: {}.",
            Bytes(left),
            MemoryShare::own()
        );
    }
}

//! Prints where the bytes of a server's connections are: `cargo run -p echoctl-observe --example queues -- 6379`
//!
//! Neither the server nor its clients take part in it. A client on another host shows only what its kernel has acknowledged.

use std::process::ExitCode;

use echoctl_observe::{Connection, Error, SocketTables};
use echoctl_record::{Bytes, Queue};

fn main() -> ExitCode {
    let Some(port) = std::env::args().nth(1).and_then(|port| port.parse().ok()) else {
        eprintln!("usage: queues PORT");
        return ExitCode::FAILURE;
    };
    match print_queues(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_queues(port: u16) -> Result<(), Error> {
    let mut tables = SocketTables::of([]);
    for server in tables.connections(port)? {
        let mut connection = Connection::new(server.remote, server.local);
        connection.refresh(None, Some(&mut tables));
        println!("{} -> {}", connection.local, connection.peer);
        let queues = connection.queues();
        for queue in Queue::ALL {
            let bytes = queues[queue].map_or("not visible".to_owned(), |bytes| Bytes(bytes).to_string());
            println!("  {:<24}{bytes:>12}", queue.label());
        }
        if let Some(window) = connection.window() {
            println!("  {:<24}{:>12}", "receive window", Bytes(window.into()).to_string());
        }
    }
    Ok(())
}

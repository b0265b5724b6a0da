//! Sends to an echo server without reading, and prints how much the server accepted before it stopped reading too.
//!
//! ```sh
//! cargo run --package echoctl-client --example stalled_reader -- 127.0.0.1:7007
//! ```
//!
//! A server with backpressure accepts what fits into the queues of both kernels, a few MiB. One without it accepts everything.

use std::env;
use std::error::Error as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use echoctl_client::{Config, Error, Flood, Reading};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let word = env::args().nth(1).unwrap_or_default();
    let Ok(addr) = word.parse() else {
        eprintln!(
            "error: cannot send to {word:?}: not an address\nhint: use IP:PORT of an echo server, such as 127.0.0.1:7007"
        );
        return ExitCode::FAILURE;
    };
    if let Err(error) = flood(addr).await {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        eprintln!("error: {error}{cause}");
        eprintln!("hint: start an echo server: cargo run --package echoctl -- serve --addr {addr}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Sends until the server accepts no more, and prints how much that was.
async fn flood(addr: SocketAddr) -> Result<(), Error> {
    let config = Config {
        reading: Reading::Nothing,
        bytes: Some(256 << 20),
        // Ends the flood once the server has accepted next to nothing for this long.
        idle_timeout: Some(Duration::from_secs(2)),
        ..Config::new(addr)
    };

    let outcome = Flood::connect(config).await?.run().await;

    let totals = outcome.totals;
    println!("the server accepted {} KiB in {:.1?}", totals.produced >> 10, outcome.elapsed);
    println!("the longest time that it accepted nothing: {:.1?}", totals.longest_stall);
    for ending in outcome.endings {
        println!("the connection: {ending}");
    }
    Ok(())
}

//! Counts a text in the memory of a process and its descendants: `cargo run -p echoctl-observe --example census -- PID TEXT`

use std::process::ExitCode;

use echoctl_observe::{ProcessTree, census};
use echoctl_record::{Bytes, Seconds};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(pid), Some(needle)) = (args.next().and_then(|pid| pid.parse().ok()), args.next()) else {
        eprintln!("usage: census PID TEXT");
        return ExitCode::FAILURE;
    };
    let tree = match ProcessTree::new([pid]) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let Some(count) = census(tree.members(), needle.as_bytes()) else {
        eprintln!("error: this user may not read the memory of process {pid}");
        return ExitCode::FAILURE;
    };
    let complete = if count.is_complete { "all" } else { "not all" };
    println!(
        "{} times in {} ({complete} of its writable memory), in {}",
        count.occurrences,
        Bytes(count.scanned),
        Seconds(count.seconds)
    );
    ExitCode::SUCCESS
}

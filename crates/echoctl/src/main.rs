//! `echoctl`: the command line.
fn main() {}

//! The supervisor as a program of its own, for this crate's tests: `supervise CMD…`. `echoctl` has it as a subcommand.

fn main() {
    let command: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    echoctl_audit::supervise(&command);
}

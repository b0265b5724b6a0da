//! The supervisor as a program, for this crate's tests: `supervise CMD…`. In `echoctl` it is a subcommand.

fn main() {
    let command: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    echoctl_trial::spawn::supervise(&command);
}

//! Running commands, and stopped readers of their output.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use socket2::SockRef;

/// The program under test, with an empty stdin.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command.args(arguments).env_remove("ECHOCTL_ADDR").env("TERM", "xterm").stdin(Stdio::null());
    command
}

/// A stream to a reader, and the reader's end.
pub(crate) struct Stream {
    to: UnixStream,
    pub(crate) reader: UnixStream,
}

impl Stream {
    pub(crate) fn new() -> Stream {
        let (to, reader) = UnixStream::pair().expect("two sockets");
        Stream { to, reader }
    }

    /// For a command to write to.
    pub(crate) fn stdio(&self) -> Stdio {
        OwnedFd::from(self.to.try_clone().expect("a descriptor")).into()
    }

    /// Fills it with empty lines; the stream itself stays blocking.
    pub(crate) fn fill(&self) {
        for junk in [&[b'\n'; 4096][..], b"\n"] {
            while SockRef::from(&self.to).send_with_flags(junk, libc::MSG_DONTWAIT).is_ok() {}
        }
    }

    /// A stream whose reader has stopped.
    pub(crate) fn stopped() -> Stream {
        let stream = Stream::new();
        stream.fill();
        stream
    }

    /// The reader's end. It reaches the end of the stream when the command exits.
    pub(crate) fn into_reader(self) -> UnixStream {
        self.reader
    }
}

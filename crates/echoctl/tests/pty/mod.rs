//! A pseudo-terminal for the commands under test, which stores what is written to it.
#![allow(unsafe_code)]
// Each test file is a separate program and uses only a part of this.
#![allow(dead_code)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A terminal of 40 rows, and of 120 columns unless opened with others.
pub(crate) struct Terminal {
    slave: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn open() -> Terminal {
        Terminal::with_columns(120)
    }

    pub(crate) fn with_columns(columns: u16) -> Terminal {
        let (mut master, mut slave) = (-1, -1);
        let size = libc::winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the numbers are written to local ints, the size is read from a local winsize, and null stands for no name
        // and the default settings.
        let opened = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                (&raw const size).cast_mut(),
            )
        };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: openpty has just opened it, and it has no other owner.
        let slave = unsafe { OwnedFd::from_raw_fd(slave) };
        // SAFETY: as above.
        let master = unsafe { File::from_raw_fd(master) };
        // Child processes would inherit the descriptors of openpty, but not their duplicates, so that the terminal closes with
        // its owner.
        let (slave, master) =
            (slave.try_clone().expect("a descriptor"), master.try_clone().expect("a descriptor"));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        Terminal { slave, shown, reader: thread::spawn(move || read_to_end(master, &seen)) }
    }

    /// An end for a command to write to or read from.
    pub(crate) fn stdio(&self) -> Stdio {
        self.slave.try_clone().expect("a descriptor").into()
    }

    /// Whether `text` has been written to it.
    pub(crate) fn shows(&self, text: &str) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// What was written to it, once all commands on it have exited.
    pub(crate) fn close(self) -> String {
        drop(self.slave);
        self.reader.join().expect("it only reads");
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// On Linux, reading a terminal that all have closed is an error; on other systems it is the end of the file.
fn read_to_end(mut master: File, shown: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = master.read(&mut chunk) {
        shown.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
    }
}

//! A pseudo-terminal for the commands under test, which stores what is written to it.
#![allow(unsafe_code)]
pub(crate) mod screen;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A terminal of 40 rows, and of 120 columns unless opened with others.
pub(crate) struct Terminal {
    slave: OwnedFd,
    keys: File,
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
        let keys = master.try_clone().expect("a descriptor");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        Terminal { slave, keys, shown, reader: thread::spawn(move || read_to_end(master, &seen)) }
    }

    /// An end for a command to write to or read from.
    pub(crate) fn stdio(&self) -> Stdio {
        self.slave.try_clone().expect("a descriptor").into()
    }

    /// Makes it stdin, stdout and stderr of a command, in a session of its own that this terminal controls, as a terminal window
    /// does.
    pub(crate) fn control(&self, command: &mut Command) {
        command.stdin(self.stdio()).stdout(self.stdio()).stderr(self.stdio());
        // SAFETY: between fork and exec only two calls are made, which are async-signal-safe.
        unsafe {
            command.pre_exec(|| match (libc::setsid(), libc::ioctl(0, libc::TIOCSCTTY, 0)) {
                (session, 0) if session > 0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    }

    /// Presses keys.
    pub(crate) fn press(&self, keys: &str) {
        (&self.keys).write_all(keys.as_bytes()).expect("a terminal takes keys");
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open, and the size is read from a local winsize.
        let resized = unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(resized, 0, "{}", std::io::Error::last_os_error());
    }

    /// Whether keys are delivered at once and not shown, instead of in lines that are.
    pub(crate) fn delivers_keys_at_once(&self) -> bool {
        let mut settings = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the descriptor is open, and the settings are written to a local termios.
        let got = unsafe { libc::tcgetattr(self.slave.as_raw_fd(), settings.as_mut_ptr()) };
        assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the call above has filled it.
        let flags = unsafe { settings.assume_init() }.c_lflag;
        let lines = libc::ICANON | libc::ECHO;
        assert!(flags & lines == 0 || flags & lines == lines, "both or none: {flags:o}");
        flags & lines == 0
    }

    /// What has been written to it so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Whether `text` has been written to it.
    pub(crate) fn shows(&self, text: &str) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// What was written to it, once all commands on it have exited.
    pub(crate) fn close(self) -> String {
        drop((self.slave, self.keys));
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

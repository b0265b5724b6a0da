//! A running process, its output so far, and how it exited. It is killed on drop.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{sys, tree, wait_until};

/// A process of a case.
pub(crate) struct Running {
    child: Child,
    line: String,
    began: Instant,
    stdout: Captured,
    stderr: Captured,
    /// Our end of its terminal, where it has one.
    terminal: Option<File>,
    /// Its output, where that is not read.
    unread: Option<ChildStdout>,
}

impl Running {
    /// Takes a child that has just been started, and reads its output if `is_read`.
    pub(super) fn follow(mut child: Child, terminal: Option<File>, is_read: bool, line: String) -> Running {
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let mut unread = child.stdout.take();
        if let Some(pipe) = unread.as_ref().filter(|_| !is_read) {
            sys::shrink_pipe(pipe.as_fd());
        }
        if is_read {
            match (&terminal, unread.take()) {
                (Some(terminal), _) => stdout.follow(terminal.try_clone().ok()),
                (None, pipe) => stdout.follow(pipe),
            }
        }
        stderr.follow(child.stderr.take());
        Running { child, line, began: Instant::now(), stdout, stderr, terminal, unread }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&self) -> bool {
        tree::is_alive(self.pid())
    }

    /// The output so far, of both streams.
    pub(crate) fn printed(&self) -> String {
        [&self.stdout, &self.stderr].map(Captured::text).concat()
    }

    /// Sends it a signal, unless it has exited.
    pub(crate) fn signal(&self, number: i32) {
        let _ = sys::signal(self.pid(), number);
    }

    /// Types into its terminal.
    pub(crate) fn type_in(&mut self, keys: &str) -> Result<()> {
        let terminal = self.terminal.as_mut().context("it has no terminal")?;
        terminal.write_all(keys.as_bytes()).context("cannot type into its terminal")
    }

    /// Waits until it has printed `text`. Returns the word after it.
    pub(crate) fn await_text(&self, text: &str, within: Duration) -> Result<String> {
        let mut word = None;
        wait_until(within, || {
            word = word_after(&self.printed(), text);
            word.is_some() || !self.is_alive()
        });
        // Its last output may have arrived just before it exited.
        let found = word.or_else(|| word_after(&self.printed(), text));
        found.with_context(|| format!("`{}` never printed {text:?}, but {:?}", self.line, self.printed()))
    }

    /// Closes our end of the output that is not read, as a reader that exits.
    pub(crate) fn close_output(&mut self) {
        self.unread = None;
    }

    /// Waits until it blocks on output that is not read: the unread bytes no longer grow, and are many.
    pub(crate) fn await_blocked(&self, within: Duration) -> Result<()> {
        let waiting = || match (&self.unread, &self.terminal) {
            (Some(pipe), _) => sys::readable(pipe.as_fd()),
            (None, Some(terminal)) => sys::readable(terminal.as_fd()),
            (None, None) => 0,
        };
        let mut last = (0, Instant::now());
        let mut is_full = false;
        wait_until(within, || {
            let now = waiting();
            if now != last.0 {
                last = (now, Instant::now());
            }
            is_full = now > 2048 && last.1.elapsed() > SETTLED_AFTER;
            is_full || !self.is_alive()
        });
        ensure!(is_full, "`{}` never filled its unread output ({} B)", self.line, waiting());
        Ok(())
    }

    /// Waits until it exits.
    ///
    /// # Errors
    /// When it has not exited `within` that time, counted from now.
    pub(crate) fn end(mut self, within: Duration) -> Result<Ended> {
        let mut status = None;
        wait_until(within, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        let Some(status) = status else {
            bail!(
                "`{}` has not exited within {} s; it printed {:?}",
                self.line,
                within.as_secs(),
                short(&self.printed())
            );
        };
        // Its last output may still be in the pipe; a process that it left running may keep the pipe open.
        wait_until(OUTPUT_GRACE, || self.stdout.has_ended() && self.stderr.has_ended());
        Ok(Ended {
            line: std::mem::take(&mut self.line),
            code: status.code(),
            signal: status.signal(),
            took: self.began.elapsed(),
            out: self.stdout.bytes(),
            err: self.stderr.bytes(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process exited.
pub(crate) struct Ended {
    line: String,
    /// Its exit code, unless a signal killed it.
    pub(crate) code: Option<i32>,
    /// The signal that killed it.
    pub(crate) signal: Option<i32>,
    pub(crate) took: Duration,
    /// Its stdout, or the output on its terminal.
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
}

impl Ended {
    /// Both streams as text.
    pub(crate) fn printed(&self) -> String {
        [&self.out, &self.err].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
    }

    /// Checks that it did not panic or abort, and that no signal killed it.
    pub(crate) fn in_order(&self) -> Result<()> {
        let panicked = self.code == Some(101) || self.printed().contains("panicked at");
        ensure!(!panicked, "it panicked: {self}");
        ensure!(self.signal.is_none(), "a signal killed it: {self}");
        Ok(())
    }

    /// Checks that it exited in order, with one of these exit codes.
    pub(crate) fn with_code(&self, expected: &[i32]) -> Result<()> {
        self.in_order()?;
        let is_expected = self.code.is_some_and(|code| expected.contains(&code));
        ensure!(is_expected, "exit code {:?}, expected {expected:?}: {self}", self.code);
        Ok(())
    }

    /// Checks that its output contains one of `words`.
    pub(crate) fn has_any(&self, words: &[&str]) -> Result<()> {
        let printed = self.printed().to_lowercase();
        let is_printed = words.iter().any(|word| printed.contains(&word.to_lowercase()));
        ensure!(is_printed, "its output contains none of {words:?}: {self}");
        Ok(())
    }
}

/// In one line: the command, how it exited, and the end of its output.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` exited after {:.1} s ", short(&self.line), self.took.as_secs_f64())?;
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "with {code}")?,
            (None, signal) => write!(f, "by signal {}", signal.unwrap_or_default())?,
        }
        write!(f, " and printed {:?}", short(&self.printed()))
    }
}

/// The bytes of one stream so far, up to a limit; the rest is read and dropped.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Stream>>);

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    is_open: bool,
}

impl Captured {
    fn follow<R: Read + Send + 'static>(&self, source: Option<R>) {
        let Some(mut source) = source else { return };
        self.lock().is_open = true;
        let stream = self.clone();
        thread::spawn(move || {
            let mut piece = [0; 16 * 1024];
            // A terminal whose other end is closed returns an error at the end.
            while let Ok(length @ 1..) = source.read(&mut piece) {
                let mut stream = stream.lock();
                let room = MAX_CAPTURED - stream.bytes.len();
                stream.bytes.extend_from_slice(&piece[..length.min(room)]);
            }
            stream.lock().is_open = false;
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    fn has_ended(&self) -> bool {
        !self.lock().is_open
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The word after `text`, once it is complete.
fn word_after(printed: &str, text: &str) -> Option<String> {
    let rest = printed.split_once(text)?.1;
    let end = rest.find(char::is_whitespace)?;
    Some(rest[..end].to_owned())
}

/// The end of a text, which usually contains the reason.
fn short(text: &str) -> String {
    let count = text.chars().count();
    let end: String = text.chars().skip(count.saturating_sub(SHOWN)).collect();
    if count > SHOWN { format!("…{end}") } else { end }
}

/// Maximum bytes captured of each stream, more than any correct command prints.
const MAX_CAPTURED: usize = 16 << 20;

/// Characters of a process's output that are shown in an error.
const SHOWN: usize = 300;

/// How long unread output must stay the same to count as full.
const SETTLED_AFTER: Duration = Duration::from_millis(400);

/// Maximum time for output to arrive after a process has exited.
const OUTPUT_GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_once_it_is_complete() {
        assert_eq!(word_after("listening on 127.0.0.1:80", "listening on "), None);
        assert_eq!(
            word_after("x\nlistening on 127.0.0.1:80\n", "listening on "),
            Some("127.0.0.1:80".into())
        );
    }

    #[test]
    fn of_a_long_text_the_end_is_shown() {
        assert_eq!(short("abc"), "abc");
        assert!(short(&format!("{}end", "x".repeat(SHOWN))).ends_with("xend"));
    }
}

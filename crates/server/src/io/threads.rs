//! One thread per connection, with blocking calls: backpressure for free.
//!
//! A thread that is blocked in a write cannot read. No code is needed for that. It costs a stack per connection, and the kernel's
//! scheduler switches between them. The buffer is the connection's own and is counted; it waits for input without one.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::close_reason::CloseReason;
use crate::connection::{BlockingConnection, Progress};
use crate::process::start_thread;

/// Serves a connection on a thread of its own.
///
/// # Errors
/// If no thread can be started. The connection is then closed, and its end is reported.
pub(crate) fn serve(connection: BlockingConnection) -> io::Result<()> {
    // Passed to the thread once it runs. A closure that never runs would drop the connection without a reason.
    let (sender, handed_over) = mpsc::sync_channel::<BlockingConnection>(0);
    let builder = thread::Builder::new().name("connection".to_owned()).stack_size(STACK);
    let thread = start_thread(builder, move || {
        if let Ok(connection) = handed_over.recv() {
            serve_here(connection);
        }
    });
    match thread {
        Ok(_) => {
            // The thread is waiting for it, so this cannot fail.
            let _ = sender.send(connection);
            Ok(())
        }
        Err(error) => {
            connection.close(Err(CloseReason::OutOfMemory));
            Err(error)
        }
    }
}

/// Serves on this thread until the connection closes.
fn serve_here(mut connection: BlockingConnection) {
    let mut pause = FIRST_PAUSE;
    let end = loop {
        match connection.wait_for_bytes().and_then(|()| connection.step()) {
            Ok(Progress::Open) => pause = FIRST_PAUSE,
            Ok(Progress::Later) => {
                thread::sleep(pause);
                pause = LONGEST_PAUSE.min(2 * pause);
            }
            Ok(Progress::Finished) => break Ok(()),
            Err(reason) => break Err(reason),
        }
    };
    connection.close(end);
}

/// How long to wait for memory, or for the end of a pause. The connections that are being closed for memory are awake already, and
/// need the CPU for a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Bytes of a thread's stack: its calls are a few levels deep and store nothing large there. Untouched pages cost nothing.
const STACK: usize = 128 * 1024;

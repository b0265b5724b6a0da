//! Interruption: Ctrl-C, SIGTERM from a service manager, SIGHUP from a terminal that has gone.
//!
//! ```text
//! start ──── the usual effect: the process ends ──── catch_signals() ──── 1st signal ──── 2nd signal, or the grace is over
//!                                                                    the command     the process ends at once: exit 130,
//!                                                                    comes to its    the cursor is shown, nothing else
//!                                                                    end             is run
//! ```
//!
//! A command that has something to put in order (totals to print, a target to stop) calls [`catch_signals`] when it has come so
//! far; until then, and in all other commands, a signal has its usual effect. The second signal is dealt with in the
//! handler itself, so that nothing can hold it up: no reader that has stopped, no lock, no thread that does not run. The
//! first ends the process too, if the command takes longer than it promised and [`GRACE`].

use std::ffi::c_int;
use std::io::{self, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;
use tokio::sync::watch;

use crate::exit::Exit;
use crate::sys;
use crate::view::screen;

/// From now on the first signal is handed to whoever asks here, and the command comes to its end within `promise`. What
/// takes longer than that and [`GRACE`] is ended.
///
/// Where signals cannot be handled they keep their usual effect.
pub(crate) fn catch_signals(promise: Duration) {
    if let Err(error) = listen(promise) {
        // Not worth ending for: a signal then ends the process as it is.
        crate::output::warning(format_args!("cannot handle signals: {error}"));
    }
}

/// Waits until the user or the system wants this process to end.
pub(crate) async fn interrupted() {
    // The sender is a static: it does not go away.
    let _ = REQUESTS.subscribe().wait_for(|requested| *requested).await;
}

/// Waits for the same at most so long, and says whether it has come.
pub(crate) fn wait(timeout: Duration) -> bool {
    let requested = EXIT_REQUESTED.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = EXIT_REQUESTED.1.wait_timeout_while(requested, timeout, |requested| !*requested);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// A flag that is set when this process is to end.
pub(crate) fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Since when this process is to end, if it is.
pub(crate) fn since() -> Option<Instant> {
    let nanos = FIRST_SIGNAL.load(SeqCst);
    let began = EPOCH.get().filter(|_| nanos != NEVER)?;
    began.checked_add(Duration::from_nanos(nanos))
}

/// Ends in order as after a signal, because of something else that says so: the end of standard input.
pub(crate) fn request_exit() {
    request();
}

/// Prepares what must be so from the first moment: signals have their usual effect, and a panic shows the cursor.
pub(crate) fn prepare() {
    sys::restore_default_actions();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A terminal that takes nothing now is no reason to panic again.
        let _ = io::stderr().write_all(screen::farewell());
        usual(panic);
    }));
}

/// Starts the thread that hands signals on, and then the handler that wakes it.
fn listen(promise: Duration) -> io::Result<()> {
    let (mut woken, wake) = io::pipe()?;
    EPOCH.get_or_init(Instant::now);
    if WAKE.set(wake).is_err() {
        // It has begun already; once is enough.
        return Ok(());
    }
    start_thread("interrupts", move || {
        // The writer is a static: this ends when it is written to.
        if woken.read_exact(&mut [0]).is_ok() {
            notify();
            end_after(promise);
        }
    })
    .map_err(io::Error::other)?;
    listen_to_signals()
}

#[cfg(unix)]
fn listen_to_signals() -> io::Result<()> {
    sys::handle(on_signal, on_death, on_stop)
}

#[cfg(not(unix))]
fn listen_to_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    start_thread("signals", move || {
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            on_signal(0);
        }
    })
    .map_err(io::Error::other)?;
    Ok(())
}

/// Called between any two instructions of any thread: atomics, a write to a pipe that has room, and nothing else.
extern "C" fn on_signal(_: c_int) {
    if request() {
        return;
    }
    match since() {
        // Still the first: see the constant.
        Some(first) if first.elapsed() < BURST => IS_URGENT.store(true, SeqCst),
        _ => end_now(),
    }
}

/// SIGQUIT or an abort: it has its usual effect, and the cursor is shown.
#[cfg(unix)]
extern "C" fn on_death(signal: c_int) {
    sys::take_default_action(signal, on_death, screen::farewell(), b"");
}

/// Ctrl-Z: it has its usual effect, and the cursor is shown meanwhile.
#[cfg(unix)]
extern "C" fn on_stop(signal: c_int) {
    sys::take_default_action(signal, on_stop, screen::farewell(), screen::welcome());
}

/// Notes that the process is to end, and wakes the thread that hands it on. Whether this was the first time.
fn request() -> bool {
    let now = EPOCH.get().map_or(0, |began| u64::try_from(began.elapsed().as_nanos()).unwrap_or(NEVER - 1));
    let is_first = FIRST_SIGNAL.compare_exchange(NEVER, now, SeqCst, SeqCst).is_ok();
    if is_first {
        REQUESTED.store(true, SeqCst);
        if let Some(mut wake) = WAKE.get() {
            // One byte in the life of the process: there is room for it.
            let _ = wake.write(&[0]);
        }
    }
    is_first
}

/// Wakes all who wait.
fn notify() {
    *EXIT_REQUESTED.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    EXIT_REQUESTED.1.notify_all();
    REQUESTS.send_replace(true);
}

/// Ends the process when the command has not come to its end by itself.
fn end_after(promise: Duration) -> ! {
    let began = Instant::now();
    loop {
        let promise = if IS_URGENT.load(SeqCst) { Duration::ZERO } else { promise };
        let left = promise.saturating_add(GRACE).saturating_sub(began.elapsed());
        if left.is_zero() {
            end_now();
        }
        thread::sleep(left.min(STEP));
    }
}

/// Ends the process, whatever it is doing.
pub(crate) fn end_now() -> ! {
    sys::end_now(Exit::Interrupted as i32, screen::farewell())
}

/// When the program began to listen; times in signal handlers count from here.
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds from [`EPOCH`] to the first signal, or [`NEVER`].
static FIRST_SIGNAL: AtomicU64 = AtomicU64::new(NEVER);
const NEVER: u64 = u64::MAX;

/// Whether the process is to end, for code that looks now and then.
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The same for threads and for tasks that wait.
static EXIT_REQUESTED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
static REQUESTS: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Whether the first signal came twice at once.
static IS_URGENT: AtomicBool = AtomicBool::new(false);

/// The handler's way to the thread that hands signals on.
static WAKE: OnceLock<PipeWriter> = OnceLock::new();

/// How much longer than it promised a command may take to come to its end.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Signals so close together are one request that came twice: timeout(1) sends its signal to the command and then to the
/// command's group. No promise is waited for then, so that two that were meant do not wait long either.
const BURST: Duration = Duration::from_millis(10);

/// How often it is looked whether the first signal came twice.
const STEP: Duration = Duration::from_millis(20);

//! Handles interruptions: Ctrl-C, SIGTERM from a service manager, SIGHUP from a closed terminal.
//!
//! ```text
//! start ── default action: the process exits ── catch_signals() ── 1st signal ── 2nd signal, or GRACE is over
//!                                                                  the command   the process exits at once;
//!                                                                  shuts down    only the terminal is restored
//! ```
//!
//! A command with work to do at shutdown (totals to print, a target to stop) calls [`catch_signals`] once that work exists.
//! Until then, and in all other commands, a signal has its default action. The second signal is handled in the signal handler
//! itself, so that no stopped reader, lock or blocked thread can delay it. After the first signal, the process also exits if
//! the command takes longer than its time limit and [`GRACE`].

use std::ffi::c_int;
use std::io::{self, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;
use tokio::sync::watch;

use crate::sys;
use crate::terminal::mode::{self, Mode};

/// From now on the first signal requests a shutdown, which the command completes within `limit`. If it takes longer than that
/// and [`GRACE`], the process exits.
///
/// If signals cannot be handled, they keep their default action.
pub(crate) fn catch_signals(limit: Duration) {
    if let Err(error) = listen(limit) {
        // Not an error: a signal then kills the process.
        crate::output::warning(format_args!("cannot handle signals: {error}"));
    }
}

/// Waits until an exit is requested.
pub(crate) async fn interrupted() {
    // The sender is a static, so it is never dropped.
    let _ = REQUESTS.subscribe().wait_for(|requested| *requested).await;
}

/// Waits for the same, at most for `timeout`, and returns whether an exit is requested.
pub(crate) fn wait(timeout: Duration) -> bool {
    let requested = EXIT_REQUESTED.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = EXIT_REQUESTED.1.wait_timeout_while(requested, timeout, |requested| !*requested);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// A flag that is set when an exit is requested.
pub(crate) fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// When an exit was requested, if it was.
pub(crate) fn since() -> Option<Instant> {
    let nanos = FIRST_SIGNAL.load(SeqCst);
    let began = EPOCH.get().filter(|_| nanos != NEVER)?;
    began.checked_add(Duration::from_nanos(nanos))
}

/// Requests an exit as a signal does, for another reason: the end of stdin, or of the reader of stdout.
pub(crate) fn request_exit() {
    request();
    notify();
}

/// Requests an exit when stdin is closed. It takes a thread, because not every system can poll stdin.
///
/// # Errors
/// If the system refuses a thread.
pub(crate) fn exit_when_stdin_ends() -> Result<(), echoctl_observe::Error> {
    start_thread("stdin", || {
        // An error ends stdin too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        request_exit();
    })?;
    Ok(())
}

/// Calls `stop` on a thread of its own when an exit is requested.
///
/// # Errors
/// If the system refuses a thread.
pub(crate) fn on_request(stop: impl FnOnce() + Send + 'static) -> Result<(), echoctl_observe::Error> {
    start_thread("stop", move || {
        while !wait(Duration::MAX) {}
        stop();
    })?;
    Ok(())
}

/// Sets up the process: signals have their default action, and a panic restores the terminal.
pub(crate) fn prepare() {
    sys::restore_default_actions();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A terminal that cannot be written must not cause another panic.
        let _ = io::stderr().write_all(mode::farewell());
        // Once: leaving a full screen again would move the cursor up, over the message.
        mode::set(Mode::Usual);
        sys::restore_input();
        usual(panic);
    }));
}

/// Starts the thread that forwards signals, and then installs the handler that wakes it: [`catch_signals`] for a command that is
/// of no use without.
///
/// # Errors
/// If the system refuses the thread.
pub(crate) fn listen(limit: Duration) -> io::Result<()> {
    let (mut woken, wake) = io::pipe()?;
    EPOCH.get_or_init(Instant::now);
    if WAKE.set(wake).is_err() {
        // It is running already.
        return Ok(());
    }
    start_thread("interrupts", move || {
        // The writer is a static, so this returns only when a byte arrives.
        if woken.read_exact(&mut [0]).is_ok() {
            notify();
            exit_after(limit);
        }
    })
    .map_err(io::Error::other)?;
    #[cfg(unix)]
    sys::handle(on_signal, on_death, on_stop)?;
    #[cfg(not(unix))]
    listen_to_ctrl_c()?;
    Ok(())
}

#[cfg(not(unix))]
fn listen_to_ctrl_c() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    start_thread("signals", move || {
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            on_signal(CTRL_C.into());
        }
    })
    .map_err(io::Error::other)?;
    Ok(())
}

/// The signal handler. It may run between any two instructions of any thread, so it uses only atomics and a write to a pipe
/// that has room.
extern "C" fn on_signal(signal: c_int) {
    let signal = u8::try_from(signal).unwrap_or(CTRL_C);
    // The first one counts: a second one only hurries the same exit.
    let _ = ENDED_BY.compare_exchange(NONE, signal, SeqCst, SeqCst);
    if request() {
        return;
    }
    match since() {
        // The same request: see the constant.
        Some(first) if first.elapsed() < BURST => IS_URGENT.store(true, SeqCst),
        _ => exit_now(),
    }
}

/// SIGQUIT and SIGABRT: restores the terminal, then takes the default action.
#[cfg(unix)]
extern "C" fn on_death(signal: c_int) {
    sys::take_default_action(signal, on_death, (mode::farewell(), b""), sys::Resume::Anywhere);
}

/// Ctrl-Z: takes the default action, with the terminal restored meanwhile.
#[cfg(unix)]
extern "C" fn on_stop(signal: c_int) {
    let resume = if mode::is_full_screen() { sys::Resume::InForeground } else { sys::Resume::Anywhere };
    sys::take_default_action(signal, on_stop, (mode::farewell(), mode::welcome()), resume);
    mode::blank();
}

/// Records the request and wakes the thread that forwards it. Returns whether it was the first request.
fn request() -> bool {
    let now = EPOCH.get().map_or(0, |began| u64::try_from(began.elapsed().as_nanos()).unwrap_or(NEVER - 1));
    let is_first = FIRST_SIGNAL.compare_exchange(NEVER, now, SeqCst, SeqCst).is_ok();
    if is_first {
        REQUESTED.store(true, SeqCst);
        if let Some(mut wake) = WAKE.get() {
            // The only byte ever written to the pipe, so there is room.
            let _ = wake.write(&[0]);
        }
    }
    is_first
}

/// Wakes all waiting threads and tasks.
fn notify() {
    *EXIT_REQUESTED.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    EXIT_REQUESTED.1.notify_all();
    REQUESTS.send_replace(true);
}

/// Exits once the time of the command is over.
fn exit_after(limit: Duration) -> ! {
    let began = Instant::now();
    loop {
        let limit = if IS_URGENT.load(SeqCst) { Duration::ZERO } else { limit };
        let left = limit.saturating_add(GRACE).saturating_sub(began.elapsed());
        if left.is_zero() {
            exit_now();
        }
        thread::sleep(left.min(STEP));
    }
}

/// Exits immediately, whatever the process is doing.
pub(crate) fn exit_now() -> ! {
    sys::exit_now(exit_code().into(), mode::farewell())
}

/// The exit code of an interrupted process: 128 and the number of the first signal, as a shell reports a process that the
/// signal killed. Without a signal, as where the key Ctrl-C is read, that of Ctrl-C.
pub(crate) fn exit_code() -> u8 {
    let signal = match ENDED_BY.load(SeqCst) {
        NONE => CTRL_C,
        signal => signal,
    };
    BY_SIGNAL + signal
}

/// What shells add to the number of a signal.
const BY_SIGNAL: u8 = 128;

/// The number of SIGINT.
const CTRL_C: u8 = 2;

/// The first signal, or [`NONE`].
static ENDED_BY: AtomicU8 = AtomicU8::new(NONE);
const NONE: u8 = 0;

/// When signals were first caught; times in signal handlers count from here.
static EPOCH: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds from [`EPOCH`] to the first signal, or [`NEVER`].
static FIRST_SIGNAL: AtomicU64 = AtomicU64::new(NEVER);
const NEVER: u64 = u64::MAX;

/// Whether an exit is requested, for code that polls.
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The same for threads and tasks that wait.
static EXIT_REQUESTED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
static REQUESTS: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Whether the first signal arrived twice at almost the same time.
static IS_URGENT: AtomicBool = AtomicBool::new(false);

/// Wakes the thread that forwards signals.
static WAKE: OnceLock<PipeWriter> = OnceLock::new();

/// How long a shutdown may take beyond its time limit.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Two signals within this time count as one request: timeout(1) sends its signal to the command and then to the command's
/// group. The time limit is then ignored, so that two intended signals have an effect soon, too.
const BURST: Duration = Duration::from_millis(10);

/// Interval at which a second signal is checked for.
const STEP: Duration = Duration::from_millis(20);

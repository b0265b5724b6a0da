//! Signals and the last write to a terminal: the only `unsafe` code of the command line.
//!
//! What a signal handler may call is little (signal-safety(7)): system calls without locks or memory. So the handler itself
//! is in [`interrupt`](crate::interrupt), in safe code over atomics, and what it calls is here.
#![allow(unsafe_code)]

#[cfg(unix)]
use std::ffi::c_int;
#[cfg(unix)]
use std::io;

/// What is done when a signal comes. It may touch atomics and call [`end_now`], and must not lock or allocate.
#[cfg(unix)]
pub(crate) type Handler = extern "C" fn(c_int);

/// Gives Ctrl-C and SIGTERM their usual effect, also where whoever started us has had them ignored, as a shell does for
/// commands in its background, or any signal blocked: what cannot be ended is worse. A file that reaches `ulimit -f` is an
/// error of its write, and not the end of the process.
#[cfg(unix)]
pub(crate) fn restore_default_actions() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // It fails for no signal that exists.
        let _ = set(signal, libc::SIG_DFL);
    }
    // Handled rather than ignored, which programs that are started would inherit.
    let _ = set(libc::SIGXFSZ, ignore as *const () as libc::sighandler_t);
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is filled before it is used, and the old mask is not asked for.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// The write that has failed says all.
#[cfg(unix)]
extern "C" fn ignore(_: c_int) {}

/// Signals keep the effect that the system gives them.
#[cfg(not(unix))]
pub(crate) fn restore_default_actions() {}

/// Has `ends` called for SIGINT, SIGTERM and SIGHUP, `dies` for SIGQUIT and SIGABRT, and `stops` for Ctrl-Z. What is ignored
/// stays so, but for the first two: SIGHUP under `nohup`, Ctrl-Z without job control.
///
/// # Errors
/// The system's; it knows no reason for one.
#[cfg(unix)]
pub(crate) fn handle(ends: Handler, dies: Handler, stops: Handler) -> io::Result<()> {
    let function = |handler: Handler| handler as *const () as libc::sighandler_t;
    set(libc::SIGINT, function(ends))?;
    set(libc::SIGTERM, function(ends))?;
    let others = [(libc::SIGHUP, ends), (libc::SIGQUIT, dies), (libc::SIGABRT, dies), (libc::SIGTSTP, stops)];
    for (signal, handler) in others {
        if action(signal)? != libc::SIG_IGN {
            set(signal, function(handler))?;
        }
    }
    Ok(())
}

/// Gives a signal that is handled its usual effect, now: the process ends, or stops until it is continued. Before that it
/// writes `before` to the terminal behind stderr, and when it goes on, `after`. For signal handlers.
#[cfg(unix)]
pub(crate) fn take_default_action(signal: c_int, handler: Handler, before: &[u8], after: &[u8]) {
    // SAFETY: it gives the address of this thread's errno, which lives as long as the thread.
    let errno = unsafe { errno() };
    // SAFETY: as above. What the handler has interrupted may be about to read it.
    let saved = unsafe { errno.read() };
    write_now(before);
    // It fails for no signal that exists, nor does the other.
    let _ = set(signal, libc::SIG_DFL);
    // SAFETY: it takes no pointer, and is async-signal-safe. The signal is not blocked in its handler: see `set`.
    unsafe { libc::raise(signal) };
    let _ = set(signal, handler as *const () as libc::sighandler_t);
    write_now(after);
    // SAFETY: as above.
    unsafe { errno.write(saved) };
}

#[cfg(target_os = "linux")]
use libc::__errno_location as errno;
#[cfg(all(unix, not(target_os = "linux")))]
use libc::__error as errno;

/// Writes a few bytes to the terminal behind stderr, as [`write_now`] does, and ends the process without running anything
/// else: no destructor, no other thread and no reader can hold it up. For signal handlers too.
#[cfg(unix)]
pub(crate) fn end_now(code: i32, farewell: &[u8]) -> ! {
    write_now(farewell);
    // SAFETY: it takes no pointer, does not return, and is async-signal-safe.
    unsafe { libc::_exit(code) }
}

/// Ends the process.
#[cfg(not(unix))]
pub(crate) fn end_now(code: i32, _farewell: &[u8]) -> ! {
    std::process::exit(code)
}

/// Writes a few bytes to the terminal behind stderr, if it takes them within a fifth of a second. For signal handlers too.
///
/// It writes to a description of its own, which does not block: a terminal that is stopped, or written by another thread,
/// refuses instead of holding us up.
#[cfg(unix)]
pub(crate) fn write_now(mut bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string that lives for ever; open is async-signal-safe.
    let mut fd = unsafe { libc::open(TERMINAL.as_ptr(), flags) };
    if fd < 0 {
        // It is another user's, as after `sudo -u`: stderr itself will do, and an alarm ends the wait should it block.
        fd = libc::STDERR_FILENO;
        // SAFETY: it takes no pointer, and is async-signal-safe. Nobody handles SIGALRM here: it ends the process.
        unsafe { libc::alarm(1) };
    }
    for turn in 0..MAX_TRIES {
        if turn == 1 {
            restart_output(fd);
        }
        let mut waited = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: `waited` is one initialized pollfd that lives across the call; poll is async-signal-safe.
        unsafe { libc::poll(&raw mut waited, 1, TRY_MILLIS) };
        // SAFETY: the pointer and the length are those of a live slice; write is async-signal-safe.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        bytes = usize::try_from(written).ok().and_then(|written| bytes.get(written..)).unwrap_or(bytes);
        if bytes.is_empty() {
            break;
        }
    }
    if fd == libc::STDERR_FILENO {
        // SAFETY: it takes no pointer, and is async-signal-safe. The wait is over, and the process may go on.
        unsafe { libc::alarm(0) };
    } else {
        // SAFETY: it was opened above, and nobody else knows of it; close is async-signal-safe.
        unsafe { libc::close(fd) };
    }
}

/// Drops what a terminal has not shown yet, and lets it go on where Ctrl-S has stopped it: what would come is a picture of
/// a process that is gone, and Ctrl-C at the terminal itself does the same.
#[cfg(unix)]
fn restart_output(fd: c_int) {
    // A process in the background would be stopped for this instead. It fails for no signal that exists.
    let _ = set(libc::SIGTTOU, libc::SIG_IGN);
    // SAFETY: they take no pointer and are async-signal-safe; what is no terminal refuses them.
    unsafe { libc::tcflush(fd, libc::TCOFLUSH) };
    // SAFETY: as above. Output that Ctrl-S has stopped is not started by TCOON alone.
    unsafe { libc::tcflow(fd, libc::TCOOFF) };
    // SAFETY: as above.
    unsafe { libc::tcflow(fd, libc::TCOON) };
}

#[cfg(unix)]
fn set(signal: c_int, function: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: a sigaction of zeros is a valid one: no flags, an empty mask, the default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = function;
    // System calls of ours that wait go on behind the handler: who is to stop waiting is woken otherwise. And a second
    // signal does not wait for the handler of the first.
    action.sa_flags = libc::SA_RESTART | libc::SA_NODEFER;
    // SAFETY: `action` is initialized and names SIG_DFL or a function of the type that a handler without SA_SIGINFO has;
    // the old action is not asked for.
    match unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What a signal does now.
#[cfg(unix)]
fn action(signal: c_int) -> io::Result<libc::sighandler_t> {
    // SAFETY: as in `set`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: no new action is given, and the old one is written to a sigaction that is ours.
    match unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } {
        0 => Ok(action.sa_sigaction),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The terminal behind stderr, to be opened once more.
#[cfg(target_os = "linux")]
const TERMINAL: &std::ffi::CStr = c"/proc/self/fd/2";
#[cfg(all(unix, not(target_os = "linux")))]
const TERMINAL: &std::ffi::CStr = c"/dev/tty";

/// How long each try to write waits, in milliseconds, and how many there are: long enough for a terminal that is only busy,
/// and at once for a person.
#[cfg(unix)]
const TRY_MILLIS: c_int = 50;
#[cfg(unix)]
const MAX_TRIES: u32 = 4;

//! Wraps the system calls for signals, for keys, for names, and for the last write to a terminal: the only `unsafe` code of the command line.
//!
//! A signal handler may use only async-signal-safe calls (signal-safety(7)), which neither lock nor allocate. The handler is
//! safe code over atomics in [`interrupt`](crate::terminal::interrupt); the calls that it makes are here.
#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
use std::ffi::c_char;
#[cfg(unix)]
use std::ffi::c_int;
#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::sync::OnceLock;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A signal handler. It may use atomics and call [`exit_now`]; it must not lock or allocate.
#[cfg(unix)]
pub(crate) type Handler = extern "C" fn(c_int);

/// Gives SIGINT and SIGTERM their default action and unblocks all signals. A parent process may have ignored them, as a shell
/// does for background commands, and a process that cannot be stopped is worse. A file that reaches `ulimit -f` is a write
/// error instead of a signal that kills the process.
#[cfg(unix)]
pub(crate) fn restore_default_actions() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // It fails only for unknown signals.
        let _ = set(signal, libc::SIG_DFL);
    }
    // Handled instead of ignored, since child processes would inherit the latter.
    let _ = set(libc::SIGXFSZ, ignore as *const () as libc::sighandler_t);
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialized before it is used, and the old mask is not requested.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Does nothing: the failed write reports the error.
#[cfg(unix)]
extern "C" fn ignore(_: c_int) {}

/// Does nothing: signals have their default action.
#[cfg(not(unix))]
pub(crate) fn restore_default_actions() {}

/// Makes a program with glibc inside resolve names by the hosts file and DNS only, which it contains. The other modules in nsswitch.conf are
/// libraries of the system's own glibc: one that is loaded into a program with another version can crash it.
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
pub(crate) fn resolve_without_modules() {
    // SAFETY: this is its declaration in nss.h.
    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }
    // SAFETY: both are strings that live forever; it locks what it changes. It fails only for unknown databases and without memory, and
    // then nsswitch.conf counts.
    let _ = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
}

/// Nothing to do: the program loads the system's own C library.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static")))]
pub(crate) fn resolve_without_modules() {}

/// Installs `ends` for SIGINT, SIGTERM and SIGHUP, `dies` for SIGQUIT and SIGABRT, and `stops` for SIGTSTP. Except for SIGINT
/// and SIGTERM, ignored signals stay ignored: SIGHUP under `nohup`, SIGTSTP without job control.
///
/// # Errors
/// The system's; none is expected.
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

/// Where a process that was stopped goes on.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It needs the terminal: in the background, the kernel stops it again.
    InForeground,
    /// In the background too, without keys.
    Anywhere,
}

/// Takes the default action of a handled signal: the process dies, or stops until it is continued. Before that it writes the first
/// of `texts` to the terminal behind stderr and restores that of stdin; when it continues, it takes it again and writes the second.
/// For signal handlers.
#[cfg(unix)]
pub(crate) fn take_default_action(signal: c_int, handler: Handler, texts: (&[u8], &[u8]), resume: Resume) {
    // SAFETY: it returns the address of this thread's errno, which lives as long as the thread.
    let errno = unsafe { errno() };
    // SAFETY: as above. The interrupted code may be about to read it.
    let saved = unsafe { errno.read() };
    write_now(texts.0);
    let read_keys = restore_input();
    // Both fail only for unknown signals.
    let _ = set(signal, libc::SIG_DFL);
    // SAFETY: it takes no pointer, and is async-signal-safe. The signal is not blocked in its handler: see `set`.
    unsafe { libc::raise(signal) };
    let _ = set(signal, handler as *const () as libc::sighandler_t);
    if read_keys && (resume == Resume::InForeground || !is_in_background()) {
        // It fails if the terminal has gone.
        let _ = read_keys_at_once();
    }
    write_now(texts.1);
    // SAFETY: as above.
    unsafe { errno.write(saved) };
}

#[cfg(target_os = "linux")]
use libc::__errno_location as errno;
#[cfg(all(unix, not(target_os = "linux")))]
use libc::__error as errno;

/// Writes a few bytes to the terminal behind stderr, as [`write_now`] does, restores that of stdin, and exits without running
/// anything else: no destructor, thread or reader can delay it. For signal handlers too.
#[cfg(unix)]
pub(crate) fn exit_now(code: i32, farewell: &[u8]) -> ! {
    write_now(farewell);
    restore_input();
    // SAFETY: it takes no pointer, does not return, and is async-signal-safe.
    unsafe { libc::_exit(code) }
}

/// Exits.
#[cfg(not(unix))]
pub(crate) fn exit_now(code: i32, _farewell: &[u8]) -> ! {
    std::process::exit(code)
}

/// Writes a few bytes to the terminal behind stderr, if it accepts them within a fifth of a second. For signal handlers too.
///
/// It opens the terminal again in non-blocking mode: a terminal that is stopped, or written by another thread, then refuses
/// the bytes instead of blocking.
#[cfg(unix)]
pub(crate) fn write_now(mut bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path is a static C string; open is async-signal-safe.
    let mut fd = unsafe { libc::open(TERMINAL.as_ptr(), flags) };
    if fd < 0 {
        // It belongs to another user, as after `sudo -u`. Then stderr itself is used, and an alarm ends a write that blocks.
        fd = libc::STDERR_FILENO;
        // SAFETY: it takes no pointer, and is async-signal-safe. SIGALRM is not handled, so it kills the process.
        unsafe { libc::alarm(1) };
    }
    for attempt in 0..MAX_TRIES {
        if attempt == 1 {
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
        // SAFETY: it takes no pointer, and is async-signal-safe. The write is over, and the process may continue.
        unsafe { libc::alarm(0) };
    } else {
        // SAFETY: it was opened above and is used only here; close is async-signal-safe.
        unsafe { libc::close(fd) };
    }
}

/// Discards the pending output of a terminal and restarts it after Ctrl-S: that output would be a picture of a process that
/// has exited. Ctrl-C at the terminal does the same.
#[cfg(unix)]
fn restart_output(fd: c_int) {
    // Otherwise a background process would be stopped by the next call. It fails only for unknown signals.
    let _ = set(libc::SIGTTOU, libc::SIG_IGN);
    // SAFETY: it takes no pointer and is async-signal-safe; it fails for anything but a terminal.
    unsafe { libc::tcflush(fd, libc::TCOFLUSH) };
    // SAFETY: as above. TCOON restarts output only after TCOOFF, not after Ctrl-S.
    unsafe { libc::tcflow(fd, libc::TCOOFF) };
    // SAFETY: as above.
    unsafe { libc::tcflow(fd, libc::TCOON) };
}

/// From now on the terminal behind stdin delivers each key at once, and shows none, until [`restore_input`]. Ctrl-C, Ctrl-Z and
/// Ctrl-S keep their meaning. For signal handlers too, once it has been called outside of one.
///
/// # Errors
/// If stdin is not a terminal.
#[cfg(unix)]
pub(crate) fn read_keys_at_once() -> io::Result<()> {
    let usual = match USUAL_INPUT.get() {
        Some(usual) => *usual,
        None => *USUAL_INPUT.get_or_init({
            let usual = input_settings()?;
            move || usual
        }),
    };
    let mut keys = usual;
    keys.c_lflag &= !(libc::ICANON | libc::ECHO | libc::IEXTEN);
    keys.c_cc[libc::VMIN] = 1;
    keys.c_cc[libc::VTIME] = 0;
    // Before it is so: a signal in between restores what has not changed yet, which is harmless.
    READS_KEYS.store(true, SeqCst);
    // SAFETY: `keys` is a copy of initialized settings. TCSANOW does not wait for a terminal that is stopped.
    match unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const keys) } {
        0 => Ok(()),
        _ => {
            READS_KEYS.store(false, SeqCst);
            Err(io::Error::last_os_error())
        }
    }
}

/// Restores the terminal behind stdin after [`read_keys_at_once`], and returns whether that was to be done. In the background
/// nothing is changed: the terminal belongs to the shell. For signal handlers too.
#[cfg(unix)]
pub(crate) fn restore_input() -> bool {
    let Some(usual) = USUAL_INPUT.get().filter(|_| READS_KEYS.swap(false, SeqCst)) else { return false };
    if !is_in_background() {
        // SAFETY: the settings are initialized, and tcsetattr is async-signal-safe.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, usual) };
    }
    true
}

/// Whether the terminal behind stdin controls this process, which is not in its foreground. For signal handlers too.
#[cfg(unix)]
pub(crate) fn is_in_background() -> bool {
    // SAFETY: both take no pointer, and are async-signal-safe.
    let (foreground, own) = unsafe { (libc::tcgetpgrp(libc::STDIN_FILENO), libc::getpgrp()) };
    // It fails if there is no such terminal.
    foreground >= 0 && foreground != own
}

/// Waits for a byte from stdin. In the background it waits until the process is in the foreground again: to read would stop it.
///
/// # Errors
/// The system's, or the end of stdin.
#[cfg(unix)]
pub(crate) fn wait_for_key() -> io::Result<u8> {
    loop {
        let mut waited = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
        // SAFETY: `waited` is one initialized pollfd that lives across the call.
        unsafe { libc::poll(&raw mut waited, 1, -1) };
        if is_in_background() {
            std::thread::sleep(std::time::Duration::from_millis(BACKGROUND_MILLIS));
            continue;
        }
        let mut key = 0;
        // SAFETY: it is written to one local byte.
        match unsafe { libc::read(libc::STDIN_FILENO, (&raw mut key).cast(), 1) } {
            1 => return Ok(key),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// Waits until nothing can read stdout any more: the other end of its pipe or socket is closed. Returns `false` if the system does not
/// tell.
#[cfg(unix)]
pub(crate) fn wait_until_stdout_is_unread() -> bool {
    loop {
        // No event is asked for: an error and a hang-up are always reported.
        let mut waited = libc::pollfd { fd: libc::STDOUT_FILENO, events: 0, revents: 0 };
        // SAFETY: `waited` is one initialized pollfd that lives across the call.
        let count = unsafe { libc::poll(&raw mut waited, 1, -1) };
        if count >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return waited.revents & (libc::POLLERR | libc::POLLHUP) != 0;
        }
    }
}

/// Interval at which a process in the background looks whether it is in the foreground again, while the shell has keys to read.
#[cfg(unix)]
const BACKGROUND_MILLIS: u64 = 250;

/// Does nothing: input is never changed.
#[cfg(not(unix))]
pub(crate) fn restore_input() -> bool {
    false
}

#[cfg(unix)]
fn input_settings() -> io::Result<libc::termios> {
    let mut settings = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the pointer is that of a local termios, which is read only if the call has filled it.
    match unsafe { libc::tcgetattr(libc::STDIN_FILENO, settings.as_mut_ptr()) } {
        // SAFETY: as above.
        0 => Ok(unsafe { settings.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Settings of the terminal behind stdin as the program found them.
#[cfg(unix)]
static USUAL_INPUT: OnceLock<libc::termios> = OnceLock::new();

/// Whether they are changed, or about to be.
#[cfg(unix)]
static READS_KEYS: AtomicBool = AtomicBool::new(false);

/// Seconds since 1970 as the clock of this host shows them: year, month, day, hour, minute, second.
#[cfg(unix)]
pub(crate) fn local_time(seconds: libc::time_t) -> Option<[i32; 6]> {
    let mut time = std::mem::MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are those of local values, and `time` is read only if the call has filled it.
    let filled = unsafe { libc::localtime_r(&raw const seconds, time.as_mut_ptr()) };
    // SAFETY: as above.
    let time = unsafe { (!filled.is_null()).then(|| time.assume_init()) }?;
    Some([time.tm_year + 1900, time.tm_mon + 1, time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec])
}

/// Not known.
#[cfg(not(unix))]
pub(crate) fn local_time(_: i64) -> Option<[i32; 6]> {
    None
}

#[cfg(unix)]
fn set(signal: c_int, function: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: a sigaction of zeros is a valid one: no flags, an empty mask, the default action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = function;
    // System calls that wait are restarted after the handler: waiting threads are woken by other means. And a second signal
    // does not wait for the handler of the first.
    action.sa_flags = libc::SA_RESTART | libc::SA_NODEFER;
    // SAFETY: `action` is initialized and contains SIG_DFL, SIG_IGN or a function with the type of a handler without
    // SA_SIGINFO; the old action is not requested.
    match unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The current action of a signal.
#[cfg(unix)]
fn action(signal: c_int) -> io::Result<libc::sighandler_t> {
    // SAFETY: as in `set`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: no new action is set, and the old one is written to a local sigaction.
    match unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } {
        0 => Ok(action.sa_sigaction),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The terminal behind stderr, to be opened again.
#[cfg(target_os = "linux")]
const TERMINAL: &std::ffi::CStr = c"/proc/self/fd/2";
#[cfg(all(unix, not(target_os = "linux")))]
const TERMINAL: &std::ffi::CStr = c"/dev/tty";

/// Timeout of each attempt to write, in milliseconds, and the number of attempts: in total long enough for a busy terminal,
/// and hardly noticeable for a user.
#[cfg(unix)]
const TRY_MILLIS: c_int = 50;
#[cfg(unix)]
const MAX_TRIES: u32 = 4;

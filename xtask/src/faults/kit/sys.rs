//! Wraps kernel calls that std lacks: signals, limits, pseudo-terminals, namespaces.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Makes this process the parent of its descendants' orphans, so that none can leave its tree.
pub(crate) fn adopt_orphans() {
    // SAFETY: takes plain numbers and only changes the parent of orphans.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Names the calling process, in at most 15 bytes, as shown by `ps` and `/proc/PID/comm`.
pub(crate) fn set_name(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: the kernel reads a terminated string, or its first 16 bytes, which live across the call.
    checked(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}

/// Kills this process after this many seconds.
pub(crate) fn end_after(seconds: u32) {
    // SAFETY: takes a plain number; SIGALRM has no handler here, so that it kills the process.
    unsafe { libc::alarm(seconds) };
}

/// Sends a signal to one process.
///
/// # Errors
/// When there is no such process, or for a number that is not a single process.
pub(crate) fn signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).ok().filter(|&pid| pid > 1);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: takes two plain numbers and touches no memory of ours.
    checked(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Reaps all children that have exited, so that no zombies remain. Never blocks.
pub(crate) fn reap_all() {
    // SAFETY: with WNOHANG and no place for a status, waitpid touches no memory of ours.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

/// Blocks signals in the calling thread, and in threads that it starts afterwards, so that [`await_signal`] gets them.
pub(crate) fn block(signals: &[i32]) {
    let set = signal_set(signals);
    // SAFETY: the set is initialized and lives across the call; no old set is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Waits for one of the blocked signals and returns its number.
pub(crate) fn await_signal(signals: &[i32]) -> i32 {
    let set = signal_set(signals);
    let mut number = 0;
    // SAFETY: both pointers are to initialized values that live across the call.
    unsafe { libc::sigwait(&raw const set, &raw mut number) };
    number
}

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initializes the whole set, before anything is added or it is read.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for &signal in signals {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// What a process does between fork and exec.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// Limits (`RLIMIT_AS` and so on) with their values.
    pub(crate) limits: Vec<(libc::__rlimit_resource_t, u64)>,
    /// The `cgroup.procs` files of the groups that it joins.
    pub(crate) groups: Vec<File>,
    /// Whether it leads its own session, whose terminal is its standard input if that is one.
    pub(crate) session: bool,
    /// The signal that it gets when the thread that started it exits.
    pub(crate) parent_death: Option<i32>,
}

/// Makes `command` do `setup` before it becomes the program.
pub(crate) fn set_up(command: &mut Command, setup: Setup) {
    let in_child = move || {
        let none = signal_set(&[]);
        // SAFETY: all take plain numbers, or a set that lives across the call. Signals that this process blocks, or that its
        // own parent ignored, must not be blocked and ignored in the program.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        for &(resource, bytes) in &setup.limits {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            // SAFETY: the kernel reads one rlimit, which lives across the call.
            checked(unsafe { libc::setrlimit(resource, &raw const limit) })?;
        }
        for group in &setup.groups {
            // SAFETY: writes one byte of a constant to a file that `setup` keeps open. 0 means the writer itself.
            let written = unsafe { libc::write(group.as_raw_fd(), c"0".as_ptr().cast(), 1) };
            checked(i32::try_from(written).unwrap_or(-1))?;
        }
        if setup.session {
            // SAFETY: both take plain numbers. A child just forked leads no group, so that setsid succeeds; the ioctl
            // fails where standard input is not a terminal, which is fine.
            unsafe {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
            }
        }
        if let Some(signal) = setup.parent_death {
            // SAFETY: takes plain numbers.
            checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) })?;
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls and reads what `setup` owns: it allocates nothing and takes no lock.
    unsafe { command.pre_exec(in_child) };
}

/// A pseudo-terminal: our side, and the program's.
pub(crate) fn open_terminal(rows: u16, columns: u16) -> io::Result<(OwnedFd, OwnedFd)> {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (name, modes) = (std::ptr::null_mut(), std::ptr::null());
    // SAFETY: the two file descriptors and the size live across the call; no name and no modes are passed.
    checked(unsafe { libc::openpty(&raw mut ours, &raw mut theirs, name, modes, &raw const size) })?;
    // SAFETY: openpty succeeded, so both are open file descriptors that only we own.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    for end in [&ours, &theirs] {
        // SAFETY: takes an open file descriptor and plain numbers. Other children must not inherit it.
        checked(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    }
    Ok((ours, theirs))
}

/// Makes a pipe as small as possible, so that it is full soon.
pub(crate) fn shrink_pipe(pipe: BorrowedFd<'_>) {
    // SAFETY: takes an open file descriptor and plain numbers. The kernel rounds 1 up to a page; a failure leaves the pipe large.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 1) };
}

/// Creates a named pipe.
pub(crate) fn make_pipe(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: the path is terminated and lives across the call.
    checked(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }).map(drop)
}

/// Number of bytes that can be read without blocking.
pub(crate) fn readable(end: BorrowedFd<'_>) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, which lives across the call; the file descriptor is borrowed and so open.
    let result = unsafe { libc::ioctl(end.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result < 0 { 0 } else { usize::try_from(count).unwrap_or(0) }
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Puts the calling thread into new namespaces (`CLONE_NEWNET`, `CLONE_NEWNS`), which end with it and its children.
pub(crate) fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: takes a plain number; network and mount namespaces can be left by one thread of several.
    checked(unsafe { libc::unshare(namespaces) }).map(drop)
}

/// Mounts `source` at `target`; the file system `kind` and its `options` may be empty, as for a bind mount.
pub(crate) fn mount(source: &Path, target: &Path, kind: &str, flags: u64, options: &str) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
    let (source, target) = (text(source)?, text(target)?);
    let (kind, options) = (CString::new(kind)?, CString::new(options)?);
    let data = options.as_ptr().cast();
    // SAFETY: all four strings are terminated and live across the call.
    checked(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data) }).map(drop)
}

/// A change to a network interface.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Up,
    /// Its address; `0.0.0.0` removes it.
    Address(Ipv4Addr),
    Netmask(Ipv4Addr),
}

/// Changes an interface of the calling thread's network namespace.
pub(crate) fn change_interface(name: &str, change: Change) -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let mut request = interface_request(name);
    let number = match change {
        Change::Up => {
            request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
            libc::SIOCSIFFLAGS
        }
        Change::Address(ip) => {
            request.ifr_ifru.ifru_addr = socket_address(ip);
            libc::SIOCSIFADDR
        }
        Change::Netmask(ip) => {
            request.ifr_ifru.ifru_netmask = socket_address(ip);
            libc::SIOCSIFNETMASK
        }
    };
    // SAFETY: the kernel reads one ifreq, whose used member was set above and which lives across the call.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), number as _, &raw const request) }).map(drop)
}

/// Makes `tun` (a file opened at `/dev/net/tun`) the other end of a new interface: packets sent through it can be read.
pub(crate) fn attach_tunnel(tun: &File, name: &str) -> io::Result<()> {
    const TUNSETIFF: u64 = 0x4004_54ca;
    let mut request = interface_request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the kernel reads and writes one ifreq, which lives across the call.
    checked(unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF as _, &raw mut request) }).map(drop)
}

/// Routes all packets of the calling thread's network namespace through `gateway`.
pub(crate) fn route_everything_through(gateway: Ipv4Addr) -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: a rtentry is plain numbers and null pointers, for which zeros are valid.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = socket_address(gateway);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    // SAFETY: the kernel reads one rtentry, which lives across the call.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as _, &raw const route) }).map(drop)
}

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq is plain numbers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (slot, byte) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *slot = byte as libc::c_char;
    }
    request
}

fn socket_address(ip: Ipv4Addr) -> libc::sockaddr {
    let [a, b, c, d] = ip.octets().map(|byte| byte as libc::c_char);
    // Port 0, the address, and padding: the layout of a sockaddr_in.
    libc::sockaddr {
        sa_family: libc::AF_INET as libc::sa_family_t,
        sa_data: [0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0],
    }
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

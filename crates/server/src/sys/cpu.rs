//! CPUs: on which ones this process may run, pinning a thread to one, and where a socket's packets arrive.

use super::AsRaw;

/// The CPUs on which this process may run, in ascending order. Empty where that is not visible.
#[cfg(target_os = "linux")]
pub(crate) fn allowed() -> Vec<usize> {
    // SAFETY: a cpu_set_t is an array of integers, for which zeros are a valid value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most the given size to the set, which is borrowed for the call.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } != 0 {
        return Vec::new();
    }
    // SAFETY: the index is below CPU_SETSIZE, the number of bits of the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// The CPU for each of `threads`: one of its own if there are as many CPUs as threads, and otherwise any.
pub(crate) fn one_each(threads: usize) -> Vec<Option<usize>> {
    let allowed = allowed();
    match allowed.len() == threads && threads > 1 {
        true => allowed.into_iter().map(Some).collect(),
        false => vec![None; threads],
    }
}

/// Has this thread run on `cpu` only, one of those [`allowed`]. If the kernel refuses, it runs where it did.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to(cpu: usize) {
    // SAFETY: a cpu_set_t is an array of integers, for which zeros are a valid value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the index is below CPU_SETSIZE, since it is from `allowed`, and the kernel only reads the set during the call.
    unsafe {
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// The CPU on which the kernel handled the last packet of `socket`; `None` if it has not or does not know (socket(7),
/// `SO_INCOMING_CPU`). On loopback, that is the CPU on which the peer sent it.
#[cfg(target_os = "linux")]
pub(crate) fn incoming(socket: &impl AsRaw) -> Option<usize> {
    let mut cpu: libc::c_int = -1;
    let mut length = size_of_val(&cpu) as libc::socklen_t;
    let value = (&raw mut cpu).cast();
    // SAFETY: the socket is borrowed, so it is open, and the kernel writes at most one int, to which it is given a valid pointer.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_INCOMING_CPU, value, &raw mut length)
    };
    usize::try_from(cpu).ok().filter(|_| result == 0)
}

/// Not visible on other systems, where no thread is pinned.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed() -> Vec<usize> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to(_: usize) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn incoming(_: &impl AsRaw) -> Option<usize> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::thread;

    use echoctl_testkit::pair;

    use super::*;

    #[test]
    fn a_packet_arrives_at_the_cpu_of_its_sender() {
        for cpu in allowed() {
            let (mut client, mut socket) = pair();
            let sender = thread::spawn(move || {
                pin_to(cpu);
                client.write_all(b"x").map(|()| client)
            });
            // Closing it would send another packet.
            let _client = sender.join().unwrap().unwrap();
            socket.read_exact(&mut [0]).unwrap();

            assert_eq!(incoming(&socket), Some(cpu));
        }
    }

    #[test]
    fn a_pinned_thread_may_run_on_its_cpu_only() {
        for cpu in allowed() {
            let pinned = thread::spawn(move || {
                pin_to(cpu);
                allowed()
            });

            assert_eq!(pinned.join().unwrap(), [cpu]);
        }
    }
}

//! Hosts of another kind, in namespaces of one thread: without IPv4, with another `/etc/hosts`, with few ports.
//!
//! A thread can leave the network and mount namespaces of its process, and the processes that it starts inherit its own. So a
//! case runs on its own thread, and its host disappears with the thread and its children.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::sys::{self, Change};
use super::{World, need_root, skip, wait_until};

/// The unusual properties of a host. Its loopback is up, with both families, by default.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// Whether 127.0.0.1 is missing.
    pub(crate) without_v4: bool,
    /// Whether `::1` is missing.
    pub(crate) without_v6: bool,
    /// The content of `/etc/hosts`.
    pub(crate) hosts: Option<&'static str>,
    /// The first and the last local port for clients.
    pub(crate) ports: Option<(u16, u16)>,
}

/// Runs `case` on such a host.
///
/// # Errors
/// Skips where namespaces cannot be created; otherwise the result of `case`.
pub(crate) fn within<T: Send>(
    world: &World,
    host: &Host,
    case: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    need_root()?;
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            host.enter(world)?;
            case()
        });
        inside.join().map_err(|_| anyhow!("the case itself panicked"))?
    })
}

impl Host {
    fn enter(&self, world: &World) -> Result<()> {
        sys::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS)
            .map_err(|error| skip(format!("cannot make a namespace: {error}")))?;
        // Otherwise mounts in here would appear outside too.
        let whole = libc::MS_REC | libc::MS_PRIVATE;
        sys::mount(Path::new("none"), Path::new("/"), "", whole, "").context("cannot make mounts private")?;
        if self.without_v6 {
            fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").context("cannot turn IPv6 off")?;
        }
        sys::change_interface("lo", Change::Up).context("cannot turn the loopback on")?;
        // ::1 becomes available after a moment, and a server that binds it before that fails.
        if !self.without_v6 {
            wait_until(Duration::from_secs(5), || std::net::TcpListener::bind("[::1]:0").is_ok());
        }
        if self.without_v4 {
            let none = Change::Address(Ipv4Addr::UNSPECIFIED);
            sys::change_interface("lo", none).context("cannot remove 127.0.0.1")?;
        }
        if let Some(hosts) = self.hosts {
            let file = world.file("hosts", hosts)?;
            let target = Path::new("/etc/hosts");
            sys::mount(Path::new(&file), target, "", libc::MS_BIND, "").context("cannot mount /etc/hosts")?;
        }
        if let Some((first, last)) = self.ports {
            let range = format!("{first} {last}");
            fs::write("/proc/sys/net/ipv4/ip_local_port_range", range).context("cannot narrow the ports")?;
        }
        Ok(())
    }
}

/// A route out of a namespace that counts the packets sent through it, and drops them.
pub(crate) struct Tunnel {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Tunnel {
    /// Gives the calling thread's namespace the address 192.0.2.1 and a default route.
    pub(crate) fn open() -> Result<Tunnel> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open("/dev/net/tun").map_err(|error| skip(format!("no /dev/net/tun: {error}")))?;
        sys::attach_tunnel(&file, NAME).map_err(|error| skip(format!("cannot make a tunnel: {error}")))?;
        let changes = [Change::Address(OWN), Change::Netmask(Ipv4Addr::new(255, 255, 255, 0)), Change::Up];
        for change in changes {
            sys::change_interface(NAME, change).context("cannot set the tunnel up")?;
        }
        sys::route_everything_through(Ipv4Addr::new(192, 0, 2, 2)).context("cannot set a route")?;
        let tunnel = Tunnel { sent: Arc::default(), stop: Arc::default() };
        let (sent, stop) = (tunnel.sent.clone(), tunnel.stop.clone());
        thread::spawn(move || count(file, &sent, &stop));
        Ok(tunnel)
    }

    /// Number of packets of IPv4 TCP or UDP so far; the kernel's own messages are not counted.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn count(mut file: File, sent: &AtomicU64, stop: &AtomicBool) {
    let mut packet = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        match file.read(&mut packet) {
            Ok(length) if is_traffic(&packet[..length]) => {
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Whether a packet is TCP or UDP over IPv4, not the kernel's own IGMP or neighbour discovery, and not a query to a name
/// server, which resolving a name needs.
fn is_traffic(packet: &[u8]) -> bool {
    let is_v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let is_to_name_server = packet.get(22..24) == Some(&[0, 53]);
    is_v4 && !is_to_name_server && packet.get(9).is_some_and(|protocol| matches!(protocol, 6 | 17))
}

/// An address of this host that is not on its loopback: of the range for documentation (RFC 5737).
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const NAME: &str = "faults0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_program_sends_is_traffic() {
        let packet = |first: u8, protocol: u8| [first, 0, 0, 0, 0, 0, 0, 0, 64, protocol];

        assert!(is_traffic(&packet(0x45, 6)) && is_traffic(&packet(0x45, 17)));
        let mut question = [0; 28];
        question[..10].copy_from_slice(&packet(0x45, 17));
        question[23] = 53;
        assert!(!is_traffic(&question));
        assert!(!is_traffic(&packet(0x46, 2)) && !is_traffic(&packet(0x60, 6)) && !is_traffic(&[]));
    }
}

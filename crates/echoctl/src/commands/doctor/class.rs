//! `echoctl doctor --class`: what can be tested of a room before the class.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use echoctl_observe::{MemoryShare, SocketDiag, available_memory};
use echoctl_record::Bytes;
use echoctl_server::Config;

use super::Section;
use crate::commands::class::PAGE_PORT;
use crate::commands::class::lan::Lan;
use crate::exit::{Exit, Outcome};
use crate::output::{ignore_broken_pipe, print};

/// Tests what a class needs, and prints the result.
pub(super) fn run() -> Outcome {
    let findings = ClassFindings::gather();
    ignore_broken_pipe(print(&findings))?;
    Ok(if findings.problems().is_empty() { Exit::Done } else { Exit::Inconclusive })
}

/// What a class finds on this host.
struct ClassFindings {
    lan: Result<Lan, String>,
    /// Whether each port can be opened to the room, or why not.
    ports: [(u16, Result<(), String>); 2],
    firewall: Option<Firewall>,
    available: Option<u64>,
    /// Why the queues of connections are not visible, if so.
    hidden: Option<String>,
}

/// A firewall that is switched on, as far as its files tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Firewall {
    Ufw,
    Firewalld,
}

impl ClassFindings {
    fn gather() -> ClassFindings {
        ClassFindings {
            lan: Lan::here().map_err(|error| error.to_string()),
            ports: [Config::ADDR.port(), PAGE_PORT]
                .map(|port| (port, open(port).map_err(|why| reason(&why)))),
            firewall: Firewall::here(),
            available: available_memory(),
            hidden: SocketDiag::open().err().map(|error| error.to_string()),
        }
    }

    /// What keeps a class from working; empty if nothing is known that does.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match &self.lan {
            Err(why) => problems.push(format!("the addresses of this host are not visible: {why}")),
            Ok(lan) if lan.private.is_empty() && lan.public.is_empty() => {
                problems.push(
                    "this host has no address but loopback: connect it to the room's network".to_owned(),
                );
            }
            Ok(lan) if lan.private.is_empty() => {
                problems.push(
                    "this host has only public addresses: --lan refuses them, --addr takes one".to_owned(),
                );
            }
            Ok(_) => {}
        }
        for (port, result) in &self.ports {
            if let Err(why) = result {
                problems.push(format!("port {port} cannot be opened: {why}"));
            }
        }
        problems.extend(
            self.hidden.iter().map(|why| format!("the queues of connections are not visible: {why}")),
        );
        problems
    }
}

impl fmt::Display for ClassFindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in [self.network(), self.here(), untestable()] {
            writeln!(f, "{}", section.0)?;
        }
        let problems = self.problems();
        if problems.is_empty() {
            return write!(f, "Nothing on this host keeps a class from working: echoctl class --lan");
        }
        write!(f, "Before the class:")?;
        problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl ClassFindings {
    fn network(&self) -> Section {
        let mut section = Section::new("The network");
        let addresses = self.lan.iter().flat_map(|lan| {
            let private = lan.private.iter().map(|address| (address, ""));
            private.chain(lan.public.iter().map(|address| (address, ", public")))
        });
        for (at, (address, note)) in addresses.enumerate() {
            let name = if at == 0 { "addresses of this host" } else { "" };
            section = section.row(name, format_args!("{} ({}{note})", address.ip, address.interface));
        }
        for (port, result) in &self.ports {
            let can_open = result.as_ref().map_or_else(|why| format!("no: {why}"), |()| "yes".to_owned());
            section = section.row(&format!("port {port} can be opened"), can_open);
        }
        section.row(
            "firewall of this host",
            match self.firewall {
                Some(firewall) => {
                    format!("{firewall} is switched on; if no phone gets the page:\n{}", firewall.remedy())
                }
                None => "none found; this user may not see all rules".to_owned(),
            },
        )
    }

    fn here(&self) -> Section {
        let share = MemoryShare::own();
        let visible = match &self.hidden {
            None => "queues, windows and stalls of every connection".to_owned(),
            Some(why) => format!("no: {why}"),
        };
        Section::new("This host")
            .row_if("memory available", self.available.map(Bytes))
            .row(
                "memory limit of the server",
                format_args!("{}, unless --memory-limit is given", Bytes(share.limit)),
            )
            .row("visible of the server's end", visible)
            .row("visible of the students' ends", "only of those who are on this host")
    }
}

/// What cannot be tested from one host.
fn untestable() -> Section {
    Section::new("Not testable from here")
        .row(
            "isolation of Wi-Fi clients",
            "many networks keep their clients apart: open\nthe page of the class with a phone before it",
        )
        .row("firewalls on the way", "the same test shows them")
}

impl Firewall {
    fn here() -> Option<Firewall> {
        let is_ufw_on = std::fs::read_to_string("/etc/ufw/ufw.conf")
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "ENABLED=yes"));
        let is_firewalld_on = Path::new("/run/firewalld").exists();
        match (is_ufw_on, is_firewalld_on) {
            (true, _) => Some(Firewall::Ufw),
            (_, true) => Some(Firewall::Firewalld),
            _ => None,
        }
    }

    /// The command that opens both ports until the next start.
    fn remedy(self) -> String {
        let (server, page) = (Config::ADDR.port(), PAGE_PORT);
        match self {
            Firewall::Ufw => format!("sudo ufw allow {server}:{page}/tcp"),
            Firewall::Firewalld => format!("sudo firewall-cmd --add-port={server}-{page}/tcp"),
        }
    }
}

impl fmt::Display for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Firewall::Ufw => "ufw",
            Firewall::Firewalld => "firewalld",
        })
    }
}

/// Listens at a port of all addresses, and closes it again.
fn open(port: u16) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).map(drop)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there; choose others with --addr and --page".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::class::lan::LanAddress;
    use super::*;

    fn findings() -> ClassFindings {
        let address =
            |ip: [u8; 4], interface: &str| LanAddress { ip: ip.into(), interface: interface.to_owned() };
        ClassFindings {
            lan: Ok(Lan {
                private: vec![address([192, 168, 1, 20], "wlan0")],
                public: vec![address([198, 41, 0, 4], "eth0")],
            }),
            ports: [(7007, Ok(())), (7008, Ok(()))],
            firewall: None,
            available: Some(8 << 30),
            hidden: None,
        }
    }

    #[test]
    fn a_host_in_order_says_what_it_could_not_test() {
        let text = findings().to_string();

        assert!(
            text.contains("192.168.1.20 (wlan0)\n") && text.contains("198.41.0.4 (eth0, public)"),
            "{text}"
        );
        assert!(
            text.contains("Not testable from here") && text.contains("isolation of Wi-Fi clients"),
            "{text}"
        );
        assert!(text.ends_with("keeps a class from working: echoctl class --lan"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn each_problem_is_named() {
        let broken = ClassFindings {
            lan: Ok(Lan::default()),
            ports: [(7007, Err(reason(&io::ErrorKind::AddrInUse.into()))), (7008, Ok(()))],
            firewall: Some(Firewall::Ufw),
            hidden: Some("no netlink".to_owned()),
            ..findings()
        };

        let text = broken.to_string();

        assert_eq!(broken.problems().len(), 3);
        assert!(
            text.contains("sudo ufw allow 7007:7008/tcp") && text.contains("no address but loopback"),
            "{text}"
        );
        assert!(text.contains("port 7007 cannot be opened: another program"), "{text}");
        assert!(!text.contains("Nothing on this host"), "{text}");
    }
}

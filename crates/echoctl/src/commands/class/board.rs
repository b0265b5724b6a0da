//! What a teacher writes on the board: the address of the page, and how students join.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use echoctl_report::terminal::Colour;
use echoctl_report::wrap;

use super::lan::Lan;
use super::qr::qr_code;
use crate::output::{Styled, colour, is_plain, terminal_size};

/// The addresses of a class, as others reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Board {
    /// Addresses of the echo server, the likely one first.
    pub(super) servers: Vec<SocketAddr>,
    /// The page for all viewers.
    pub(super) page: String,
    /// The page with the switch.
    pub(super) teacher: String,
    /// Interfaces of the addresses, where there are several.
    interfaces: Vec<String>,
}

impl Board {
    /// Of a server and a page that listen at these addresses: `url` makes the addresses of the page, for all viewers and for the
    /// teacher, from that of a host.
    pub(super) fn new(server: SocketAddr, page: IpAddr, url: impl Fn(IpAddr) -> (String, String)) -> Board {
        let lan = Lan::here().unwrap_or_default();
        let hosts = reached_at(server.ip(), &lan);
        let (page, teacher) = url(reached_at(page, &lan)[0].0);
        let servers = hosts.iter().map(|(ip, _)| SocketAddr::new(*ip, server.port())).collect();
        Board {
            servers,
            page,
            teacher,
            interfaces: hosts.into_iter().map(|(_, interface)| interface).collect(),
        }
    }

    /// The address of a page that listens at `page`, as others reach it.
    pub(super) fn page_only(page: IpAddr, url: impl Fn(IpAddr) -> String) -> String {
        url(reached_at(page, &Lan::here().unwrap_or_default())[0].0)
    }

    /// All of it, with a QR code where the terminal has colours.
    pub(super) fn text(&self) -> Styled {
        let width = terminal_size().0;
        Styled::strong("On the board")
            .then("\n\n")
            .then(page(&self.page))
            .then("\n")
            .then(self.join(width))
            .then("\n")
            .then(self.others(width))
            .then(Styled::strong("Only for the teacher, with the switch"))
            .then("\n\n    ")
            .then(self.teacher.as_str())
            .then("\n")
    }

    /// How students join.
    fn join(&self, width: usize) -> String {
        let Some(server) = self.servers.first() else { return String::new() };
        let consent = if server.ip().is_loopback() { "" } else { " --allow-remote" };
        let (host, port) = (server.ip(), server.port());
        let commands = format!(
            "  Join with one of these:\n    curl telnet://{server}\n    nc {host} {port}\n    \
             echoctl flood {server} --no-read \\\n        --for 60s --name ada{consent}\n"
        );
        commands + &paragraph(JOINED, width)
    }

    /// The other addresses of the server, if it has several.
    fn others(&self, width: usize) -> String {
        let named = self.servers.iter().zip(&self.interfaces).skip(1);
        let others: Vec<String> =
            named.map(|(server, interface)| format!("{server} ({interface})")).collect();
        if others.is_empty() {
            return String::new();
        }
        paragraph(&format!("Other addresses of this server: {}", others.join(", ")), width) + "\n"
    }
}

/// What is printed of a replay.
pub(super) fn replay_text(url: &str) -> Styled {
    Styled::strong("A replay: nothing is measured").then("\n\n").then(page(url))
}

/// The address of the page, with a QR code where the terminal has colours.
fn page(url: &str) -> Styled {
    let text = Styled::from("  The page, also for phones:\n    ").then(Styled::strong(url)).then("\n");
    let has_colours = !is_plain() && colour() != Colour::None;
    let code = has_colours.then(|| qr_code(url)).flatten();
    code.into_iter().fold(text, |text, code| text.then("\n").then(code))
}

/// The addresses at which others reach what listens at `ip`, with their interfaces: at least one.
fn reached_at(ip: IpAddr, lan: &Lan) -> Vec<(IpAddr, String)> {
    if !ip.is_unspecified() {
        return vec![(ip, String::new())];
    }
    let all: Vec<(IpAddr, String)> =
        lan.all().map(|address| (address.ip.into(), address.interface.clone())).collect();
    if all.is_empty() { vec![(Ipv4Addr::LOCALHOST.into(), String::new())] } else { all }
}

/// Lines of a text, indented.
fn paragraph(text: &str, width: usize) -> String {
    wrap(text, width.saturating_sub(3).max(20)).iter().map(|line| format!("  {line}\n")).collect()
}

/// What students do next.
const JOINED: &str = "In curl and nc, type \"name ada\" first, and then anything: each line comes back. Ctrl-Z stops reading, fg \
                      reads again (in curl, after Enter).";

#[cfg(test)]
mod tests {
    use super::super::lan::LanAddress;
    use super::*;

    fn board(server: &str) -> Board {
        let url = |host: IpAddr| {
            (format!("http://{host}:7008/k3v9q2ab"), format!("http://{host}:7008/k3v9q2ab#secret"))
        };
        Board::new(server.parse().unwrap(), "192.168.1.20".parse().unwrap(), url)
    }

    #[test]
    fn the_board_fits_a_narrow_terminal() {
        for width in [60, 80, 120] {
            let board = board("192.168.1.20:7007");

            let text = board.join(width) + &board.others(width);

            assert!(text.lines().all(|line| line.chars().count() < width), "{text}");
            assert!(text.contains("curl telnet://192.168.1.20:7007\n"), "{text}");
            assert!(text.contains("nc 192.168.1.20 7007\n") && text.contains("--allow-remote"), "{text}");
        }
    }

    #[test]
    fn a_class_on_this_host_needs_no_consent() {
        assert!(!board("127.0.0.1:7007").join(80).contains("--allow-remote"));
    }

    #[test]
    fn the_secret_of_the_teacher_is_printed_once() {
        let text = board("127.0.0.1:7007").text().print(Colour::None);

        assert_eq!(text.matches("#secret").count(), 1, "{text}");
        let (public, own) = text.split_once("Only for the teacher").unwrap();
        assert!(public.contains("http://192.168.1.20:7008/k3v9q2ab\n") && own.contains("#secret"), "{text}");
    }

    #[test]
    fn a_wildcard_is_reached_at_each_address() {
        let address =
            |ip: [u8; 4], interface: &str| LanAddress { ip: ip.into(), interface: interface.to_owned() };
        let lan = Lan {
            private: vec![address([10, 0, 0, 1], "eth0"), address([172, 17, 0, 1], "docker0")],
            public: vec![],
        };
        let any = Ipv4Addr::UNSPECIFIED.into();

        let ips =
            |lan: &Lan| reached_at(any, lan).into_iter().map(|(ip, _)| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(ips(&lan), ["10.0.0.1", "172.17.0.1"]);
        assert_eq!(ips(&Lan::default()), ["127.0.0.1"]);
    }
}

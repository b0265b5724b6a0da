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

    /// All of it, with a QR code where the terminal has colours: in 24 rows, if it has 80 columns.
    pub(super) fn text(&self) -> Styled {
        Styled::strong("On the board")
            .then("\n\n")
            .then(self.public(code(&self.page), terminal_size().0))
            .then("\n")
            .then(Styled::strong("Only for the teacher, with the switch"))
            .then("\n    ")
            .then(self.teacher.as_str())
            .then("\n")
    }

    /// What the room needs: beside the code if there is room, and else around it.
    fn public(&self, code: Option<Vec<String>>, width: usize) -> Styled {
        // A line that fills the last column is followed by an empty one in some terminals.
        let room = |used: usize| width.saturating_sub(1 + used);
        if let Some(code) = &code {
            let room = room(INDENT.len() + cells(code) + GAP.len());
            let lines = [page(&self.page), vec![Styled::default()], self.join(room)].concat();
            if lines.iter().all(|line| columns(line) <= room) {
                return side_by_side(code, &lines);
            }
        }
        let join = indented(&self.join(room(INDENT.len())));
        stacked(&self.page, code.as_deref()).then("\n").then(join)
    }

    /// How students join, in lines of at most `room` columns if that is possible.
    fn join(&self, room: usize) -> Vec<Styled> {
        let Some(server) = self.servers.first() else { return Vec::new() };
        let mut flood = vec![
            format!("echoctl flood {server}"),
            "--no-read".into(),
            "--for 60s".into(),
            "--name ada".into(),
        ];
        if !server.ip().is_loopback() {
            flood.push("--allow-remote".into());
        }
        let mut lines = vec!["Join with one of these:".to_owned(), format!("  curl telnet://{server}")];
        lines.push(format!("  nc {} {}", server.ip(), server.port()));
        lines.extend(command_lines(&flood, room.saturating_sub(2)).iter().map(|line| format!("  {line}")));
        lines.extend(wrap(JOINED, room.max(20)));
        if let Some(others) = self.others() {
            lines.extend(wrap(&others, room.max(20)));
        }
        lines.into_iter().map(Styled::from).collect()
    }

    /// The other addresses of the server, if it has several.
    fn others(&self) -> Option<String> {
        let named = self.servers.iter().zip(&self.interfaces).skip(1);
        let others: Vec<String> =
            named.map(|(server, interface)| format!("{server} ({interface})")).collect();
        (!others.is_empty()).then(|| format!("Other addresses of this server: {}", others.join(", ")))
    }
}

/// What is printed of a replay.
pub(super) fn replay_text(url: &str) -> Styled {
    Styled::strong("A replay: nothing is measured").then("\n\n").then(stacked(url, code(url).as_deref()))
}

/// The QR code of the page, where the terminal has colours.
fn code(url: &str) -> Option<Vec<String>> {
    let has_colours = !is_plain() && colour() != Colour::None;
    has_colours.then(|| qr_code(url)).flatten()
}

/// The address of the page.
fn page(url: &str) -> Vec<Styled> {
    vec![Styled::from("The page, also for phones:"), Styled::from("  ").then(Styled::strong(url))]
}

/// The address of the page, and the code below it.
fn stacked(url: &str, code: Option<&[String]>) -> Styled {
    let text = indented(&page(url));
    code.into_iter().fold(text, |text, code| text.then("\n").then(side_by_side(code, &[])))
}

/// The lines of a code, each with a line of text beside it.
fn side_by_side(code: &[String], lines: &[Styled]) -> Styled {
    let empty = " ".repeat(cells(code));
    let mut text = Styled::default();
    for row in 0..code.len().max(lines.len()) {
        text = text.then(INDENT).then(match code.get(row) {
            Some(cells) => Styled::black_on_white(cells),
            None => Styled::from(empty.as_str()),
        });
        if let Some(line) = lines.get(row) {
            text = text.then(GAP).then(line.clone());
        }
        text = text.then("\n");
    }
    text
}

fn indented(lines: &[Styled]) -> Styled {
    lines.iter().fold(Styled::default(), |text, line| text.then(INDENT).then(line.clone()).then("\n"))
}

/// Width of a code.
fn cells(code: &[String]) -> usize {
    code.first().map_or(0, |line| line.chars().count())
}

/// Width of a line.
fn columns(line: &Styled) -> usize {
    line.print(Colour::None).chars().count()
}

/// A command as a shell reads it, in lines of at most `room` columns if its parts allow that.
fn command_lines(parts: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            // Room for a backslash, too.
            Some(line) if line.chars().count() + part.len() + 3 <= room => *line += &format!(" {part}"),
            Some(line) => {
                *line += " \\";
                lines.push(format!("    {part}"));
            }
            None => lines.push(part.clone()),
        }
    }
    lines
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

/// What precedes each line.
const INDENT: &str = "  ";

/// Between a code and the text beside it.
const GAP: &str = "  ";

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
        for (width, has_code) in [(60, false), (60, true), (80, false), (80, true), (120, true)] {
            let board = board("192.168.100.200:7007");

            let code = has_code.then(|| qr_code(&board.page)).flatten();
            let text = board.public(code, width).print(Colour::None);

            assert!(text.lines().all(|line| line.chars().count() < width), "{text}");
            assert!(text.lines().any(|line| line.ends_with("curl telnet://192.168.100.200:7007")), "{text}");
            assert!(text.contains("nc 192.168.100.200 7007\n") && text.contains("--allow-remote"), "{text}");
        }
    }

    #[test]
    fn a_code_and_all_else_fit_a_terminal_of_24_rows() {
        let board = board("192.168.100.200:7007");
        let code = qr_code(&board.page).unwrap();

        let text = board.public(Some(code.clone()), 80).print(Colour::None);

        // Two for the heading, three for the teacher, and one for the status.
        assert!(text.lines().count() <= 24 - 6, "{text}");
        assert!(
            text.lines().zip(&code).all(|(line, cells)| line[INDENT.len()..].starts_with(cells)),
            "{text}"
        );
    }

    #[test]
    fn a_command_is_broken_where_a_shell_reads_on() {
        let parts = ["echoctl flood h:1", "--no-read", "--for 60s"].map(str::to_owned);

        assert_eq!(command_lines(&parts, 80), ["echoctl flood h:1 --no-read --for 60s"]);
        assert_eq!(command_lines(&parts, 30), ["echoctl flood h:1 --no-read \\", "    --for 60s"]);
        assert_eq!(command_lines(&parts, 9), ["echoctl flood h:1 \\", "    --no-read \\", "    --for 60s"]);
    }

    #[test]
    fn a_class_on_this_host_needs_no_consent() {
        let text = board("127.0.0.1:7007").public(None, 80).print(Colour::None);

        assert!(!text.contains("--allow-remote"), "{text}");
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

//! What `ss` of iproute2 shows of a server's connections: the truth that the program is compared with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use super::Trouble;

/// One connection in the output of `ss`, seen from the server.
#[derive(Debug)]
pub(super) struct Line {
    state: String,
    send_queue: u64,
    /// The rest of the line: timers and `tcp_info`.
    rest: String,
    /// Bytes that wait in the client's end, if that is on this host.
    unread_by_client: Option<u64>,
}

impl Line {
    fn trouble(&self, before: &Line) -> Option<Trouble> {
        let is_read = self.field("bytes_acked:") != before.field("bytes_acked:")
            || self.unread_by_client != before.unread_by_client;
        let is_stuck = self.send_queue > 0 && before.send_queue > 0;
        match self.state.as_str() {
            "CLOSE-WAIT" => Some(Trouble::ClosedByClient),
            // The kernel gives a socket its inode when the server accepts it.
            "ESTAB" if self.field("ino:") == Some("0") => Some(Trouble::InAcceptQueue),
            "ESTAB" if is_stuck && self.timer() == Some("on") && self.unanswered() >= 2 => {
                Some(Trouble::Gone)
            }
            "ESTAB" if self.send_queue > 1 << 20 && is_read => Some(Trouble::Slow),
            "ESTAB" if is_stuck && self.timer() == Some("persist") => Some(Trouble::Stalled),
            _ => None,
        }
    }

    /// The kind of its timer: `on` means retransmission, `persist` a zero-window probe.
    fn timer(&self) -> Option<&str> {
        self.rest.split("timer:(").nth(1)?.split(',').next()
    }

    /// How often the timer has expired in a row.
    fn unanswered(&self) -> u32 {
        let timer = self.rest.split("timer:(").nth(1).and_then(|rest| rest.split(')').next());
        timer.and_then(|timer| timer.split(',').nth(2)).and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.rest.split_whitespace().find_map(|word| word.strip_prefix(name))
    }
}

/// All connections of the server at this port, by the client's address.
pub(super) fn connections(port: u16) -> BTreeMap<SocketAddr, Line> {
    let from_client = list(&["-tn", &format!("dport = :{port}")]);
    let unread: BTreeMap<SocketAddr, u64> = from_client
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some((words.get(3)?.parse().ok()?, words[1].parse().ok()?))
        })
        .collect();
    let from_server = list(&["-tnoie", &format!("sport = :{port}")]);
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let client: SocketAddr = words.get(4)?.parse().ok()?;
        let line = Line {
            state: words[0].to_owned(),
            send_queue: words[2].parse().ok()?,
            rest: words[5..].join(" "),
            unread_by_client: unread.get(&client).copied(),
        };
        Some((client, line))
    };
    from_server.lines().filter_map(line).collect()
}

/// What two looks at all connections show to be wrong.
pub(super) fn troubles(
    before: &BTreeMap<SocketAddr, Line>,
    after: &BTreeMap<SocketAddr, Line>,
) -> BTreeMap<SocketAddr, Trouble> {
    let trouble = |(client, line): (&SocketAddr, &Line)| Some((*client, line.trouble(before.get(client)?)?));
    after.iter().filter_map(trouble).collect()
}

/// Connections that wait at this port for the server to accept them.
pub(super) fn accept_queue(port: u16) -> usize {
    let listening = list(&["-ltn", &format!("sport = :{port}")]);
    listening.split_whitespace().nth(1).and_then(|count| count.parse().ok()).expect("it listens")
}

fn list(arguments: &[&str]) -> String {
    let output = Command::new("ss").args(["-H", "-O"]).args(arguments).output().expect("ss(8) is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

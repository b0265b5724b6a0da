//! Commands that serve metrics, and what a scrape of them returns.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use echoctl_testkit::Running;

/// A running command that serves metrics.
pub(crate) struct Exporter {
    pub(crate) running: Running,
    pub(crate) addr: SocketAddr,
    /// What it has printed before its address, and since.
    pub(crate) lines: mpsc::Receiver<String>,
}

/// Starts `echoctl` with these arguments and `--metrics` on a free port, and waits until it says where.
pub(crate) fn exporter(arguments: &[&str]) -> Exporter {
    exporter_at("127.0.0.1:0", arguments)
}

/// The same at this address.
pub(crate) fn exporter_at(addr: &str, arguments: &[&str]) -> Exporter {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command.args(arguments).args(["--metrics", addr]).env_remove("ECHOCTL_ADDR");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running::start(&mut command);
    let stderr = BufReader::new(running.0.stderr.take().expect("it is piped"));
    let (line, lines) = mpsc::channel();
    // Reads on, so that the command never waits for us.
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|text| drop(line.send(text))));
    loop {
        let text = lines.recv_timeout(Duration::from_secs(60)).expect("it says where it serves metrics");
        let url = text.split_once(" at http://").filter(|_| text.starts_with("metrics of "));
        if let Some(addr) = url.and_then(|(_, rest)| rest.strip_suffix("/metrics")) {
            let addr = addr.parse().expect("an address");
            return Exporter { running, addr, lines };
        }
    }
}

impl Exporter {
    /// The text of the metrics now, or as of at most a second ago.
    pub(crate) fn scrape(&self) -> Metrics {
        Metrics(get(self.addr, "/metrics"))
    }
}

/// The text of metrics.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The value of the series with this name whose labels contain all of `labels`.
    pub(crate) fn value(&self, name: &str, labels: &[String]) -> Option<f64> {
        let mut lines = self.0.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label.as_str()))
        });
        let value = lines.next()?.rsplit_once(' ')?.1.parse().ok()?;
        assert!(lines.next().is_none(), "several series {name} {labels:?} in\n{}", self.0);
        Some(value)
    }

    /// The names of all metrics, as queries use them.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for line in self.0.lines() {
            let Some((name, _)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            names.push(name.to_owned());
        }
        names
    }
}

/// A label as it is printed.
pub(crate) fn label(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}=\"{value}\"")
}

/// The body of the reply to a GET, which succeeds.
pub(crate) fn get(addr: SocketAddr, path: &str) -> String {
    try_get(addr, path).unwrap_or_else(|reply| panic!("{path}: {reply}"))
}

/// The body of the reply to a GET, or else what it returns instead.
pub(crate) fn try_get(addr: SocketAddr, path: &str) -> Result<String, String> {
    let mut reply = Vec::new();
    let exchange = TcpStream::connect(addr).and_then(|mut connection| {
        write!(connection, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")?;
        connection.read_to_end(&mut reply)
    });
    exchange.map_err(|error| error.to_string())?;
    let reply = String::from_utf8(reply).expect("UTF-8");
    match reply.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => {
            let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
            Ok(if is_chunked { unchunked(body) } else { body.to_owned() })
        }
        _ => Err(reply),
    }
}

/// The content of a body in chunks.
fn unchunked(mut body: &str) -> String {
    let mut content = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        if size == 0 {
            return content;
        }
        content.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
}

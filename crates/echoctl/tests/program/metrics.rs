//! Promise: `--metrics` serves figures of every listener that stay right while listeners and connections come and go.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use echoctl_testkit::eventually;

use crate::peer::{echoctl, text};
use crate::scraped::{Exporter, Metrics, exporter, exporter_at, label};

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Both ends of a new connection.
fn connection(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// An echo server without backpressure, which serves its own metrics too.
struct BufferingServer {
    exporter: Exporter,
    addr: SocketAddr,
}

fn buffering_server() -> BufferingServer {
    let exporter = exporter(&["serve", "--addr", "0", "--backpressure", "off", "--framing", "raw"]);
    let greeting = eventually("it listens", || {
        exporter.lines.try_iter().find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()))
    });
    let addr = greeting.split_once(' ').unwrap().0.parse().unwrap();
    BufferingServer { exporter, addr }
}

impl Metrics {
    fn of(&self, addr: SocketAddr, name: &str, labels: &[String]) -> Option<f64> {
        self.value(name, &[labels, &[label("listen", addr)]].concat())
    }
}

/// Scrapes until a metric of a listener fits.
#[track_caller]
fn until(
    exporter: &Exporter,
    addr: SocketAddr,
    name: &str,
    labels: &[String],
    fits: impl Fn(f64) -> bool,
) -> Metrics {
    eventually(&format!("{name} of {addr}"), || {
        let metrics = exporter.scrape();
        metrics.of(addr, name, labels).is_some_and(&fits).then_some(metrics)
    })
}

#[test]
fn a_listener_has_metrics_from_when_it_appears() {
    let exporter = exporter(&["watch"]);
    let (_listener, addr) = listener();
    let _waiting = [TcpStream::connect(addr).unwrap(), TcpStream::connect(addr).unwrap()];

    let metrics = until(&exporter, addr, "tcp_listener_accept_queue", &[], |waiting| waiting == 2.0);

    assert_eq!(metrics.of(addr, "tcp_listener_connections", &[]), Some(2.0));
    assert!(metrics.of(addr, "tcp_listener_accept_queue_limit", &[]) >= Some(1.0));
    let process = std::env::current_exe().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let memory = metrics.of(addr, "process_tree_anonymous_memory_bytes", &[label("process", process)]);
    assert!(memory > Some(f64::from(1 << 16)), "{memory:?}");
}

#[test]
fn a_client_that_does_not_read_is_a_stall() {
    let (listener, addr) = listener();
    let (client, mut server) = connection(&listener);
    let exporter = exporter(&["watch", &addr.to_string()]);
    server.set_nonblocking(true).unwrap();
    while server.write(&[7; 1 << 16]).is_ok() {}

    let by = |side: &str| [label("by", side)];
    let metrics =
        until(&exporter, addr, "tcp_listener_stalled_connections", &by("client"), |count| count == 1.0);

    assert_eq!(metrics.of(addr, "tcp_listener_stalled_connections", &by("server")), Some(0.0));
    assert!(metrics.of(addr, "tcp_listener_oldest_stall_seconds", &[]) > Some(0.0));
    let queue = [label("queue", "send")];
    let sum = metrics.of(addr, "tcp_listener_queue_bytes", &queue);
    assert!(
        sum > Some(65536.0) && sum == metrics.of(addr, "tcp_listener_queue_max_bytes", &queue),
        "{sum:?}"
    );
    until(&exporter, addr, "tcp_listener_rwnd_limited_seconds_total", &[], |seconds| seconds > 0.0);
    drop(client);
}

#[test]
fn counters_never_fall() {
    const RECEIVED: &str = "tcp_listener_received_bytes_total";
    let exporter = exporter(&["watch"]);
    let (first, addr) = listener();
    until(&exporter, addr, RECEIVED, &[], |bytes| bytes == 0.0);
    let (mut client, mut server) = connection(&first);
    client.write_all(&[1; 5000]).unwrap();
    server.read_exact(&mut [0; 5000]).unwrap();
    until(&exporter, addr, RECEIVED, &[], |bytes| bytes == 5000.0);

    // The server's side stays in TIME-WAIT if it closes first, and the port could not be used again for a minute.
    drop(client);
    drop((server, first));
    let metrics = until(&exporter, addr, "tcp_listener_connections", &[], |count| count == 0.0);
    assert_eq!(metrics.of(addr, RECEIVED, &[]), Some(5000.0), "of a listener that has vanished");

    let again = TcpListener::bind(addr).unwrap();
    until(&exporter, addr, "tcp_listener_accept_queue_limit", &[], |limit| limit > 0.0);
    let (mut client, _server) = connection(&again);
    client.write_all(&[1; 70]).unwrap();
    until(&exporter, addr, RECEIVED, &[], |bytes| bytes == 5070.0);
}

#[test]
fn a_server_that_ends_keeps_its_name() {
    let exporter = exporter(&["watch"]);
    let server = buffering_server();
    let mut client = TcpStream::connect(server.addr).unwrap();
    // The server has read all of it, so that its kernel still has the replies when it is gone.
    client.write_all(&vec![7; 24 << 20]).unwrap();
    let queue = [label("queue", "send")];
    until(&exporter, server.addr, "tcp_listener_queue_bytes", &queue, |bytes| bytes > 65536.0);
    let addr = server.addr;

    drop(server);
    let metrics = eventually("it has vanished", || {
        let metrics = exporter.scrape();
        metrics.of(addr, "tcp_listener_accept_queue_limit", &[]).is_none().then_some(metrics)
    });

    let series: Vec<&str> = metrics.0.lines().filter(|line| line.contains(&label("listen", addr))).collect();
    assert!(!series.is_empty());
    for line in series {
        assert!(line.contains(&label("process", "echoctl")), "{line}");
    }
    let left = metrics.of(addr, "tcp_listener_connections", &[]);
    assert_eq!(left, Some(1.0), "what it wrote is pending:\n{}", metrics.0);
}

#[test]
fn a_scraper_that_does_not_read_is_held_back() {
    // Of one listener: those of all other tests make replies so long that 128 KiB of requests are answered with 100 MiB.
    let (_listener, watched) = listener();
    let exporter = exporter(&["watch", &watched.to_string()]);
    let addr = exporter.addr.to_string();

    let output = echoctl(&["audit", "--preset", "http-pipeline:/metrics", "--for", "30s", "--json", &addr])
        .output()
        .unwrap();

    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}{}", text(&output.stderr));
    assert!(["\"bounded\"", "\"disconnects\""].iter().any(|safe| report.contains(safe)), "{report}");
}

#[test]
fn a_server_exports_what_it_buffers() {
    let BufferingServer { exporter, addr } = buffering_server();
    let mut client = TcpStream::connect(addr).unwrap();
    client.write_all(&vec![7; 24 << 20]).unwrap();

    let buffered = [label("policy", "off")];
    eventually("replies are buffered", || {
        exporter.scrape().value("echoctl_server_buffered_bytes", &buffered) > Some(f64::from(1 << 20))
    });
    let metrics = exporter.scrape();

    assert_eq!(metrics.of(addr, "tcp_listener_connections", &[label("process", "echoctl")]), Some(1.0));
    let listeners = metrics.0.lines().filter(|line| line.starts_with("tcp_listener_connections{")).count();
    assert_eq!(listeners, 1, "only its own");
}

#[test]
fn an_address_that_others_reach_is_reported() {
    let exporter = exporter_at("0.0.0.0:0", &["watch"]);

    let warning =
        eventually("it warns", || exporter.lines.try_iter().find(|line| line.starts_with("warning: ")));

    assert!(warning.ends_with("can read the metrics"), "{warning}");
}

#[test]
fn a_signal_ends_it_without_an_error() {
    let mut exporter = exporter(&["watch"]);

    exporter.running.signal("TERM");

    assert_eq!(exporter.running.end("a signal").code(), Some(0));
}

#[test]
fn options_of_the_view_have_no_effect_with_it() {
    for option in [&["--json"][..], &["--record", "x.json"], &["--every", "1s"]] {
        let output = echoctl(&[&["watch", "--metrics", "0"], option].concat()).output().unwrap();

        assert_eq!(output.status.code(), Some(2), "{option:?}: {}", text(&output.stderr));
    }
}

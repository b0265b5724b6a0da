//! What a client gets over HTTP.
#![cfg(test)]

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use echoctl_live::Endpoint;
use echoctl_record::{ListenerMetrics, MetricsFigures};
use tokio::runtime::Runtime;

/// An endpoint that serves until the runtime is dropped.
fn endpoint<E: std::fmt::Display + 'static>(
    source: impl FnMut() -> Result<MetricsFigures, E> + Send + 'static,
) -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let endpoint = runtime.block_on(Endpoint::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    let addr = endpoint.addr();
    runtime.spawn(endpoint.serve(source));
    (runtime, addr)
}

fn request(addr: SocketAddr, request_line: &str) -> String {
    request_with(addr, request_line, "Accept: */*")
}

fn request_with(addr: SocketAddr, request_line: &str, field: &str) -> String {
    let mut connection = TcpStream::connect(addr).unwrap();
    write!(connection, "{request_line}\r\nHost: {addr}\r\n{field}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn metrics_are_in_the_format_that_is_asked_for() {
    let (_runtime, addr) = endpoint(|| {
        Ok::<_, Infallible>(MetricsFigures { tcp_memory: Some(4096), ..MetricsFigures::default() })
    });

    let [root, metrics, other, post] = ["GET /", "GET /metrics", "GET /metric", "POST /metrics"]
        .map(|line| request(addr, &format!("{line} HTTP/1.1")));

    assert!(root.starts_with("HTTP/1.1 200 OK\r\n") && root.contains("/metrics"), "{root}");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
    assert!(metrics.contains("\ntcp_memory_bytes 4096\n") && !metrics.contains("# EOF"), "{metrics}");
    assert!(other.starts_with("HTTP/1.1 404 Not Found\r\n"), "{other}");
    assert!(post.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{post}");

    let accept = "accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    let metrics = request_with(addr, "GET /metrics HTTP/1.1", accept);

    let openmetrics = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(metrics.contains(openmetrics) && metrics.ends_with("# EOF\n"), "{metrics}");
}

/// Bad scrapers: more than there are places. Each would keep its place for ten seconds.
#[test]
fn a_scraper_that_reads_is_served_beside_those_that_do_not() {
    let (_runtime, addr) = endpoint(|| {
        let listeners = (0..500)
            .map(|port| ListenerMetrics { listen: format!("[::]:{port}"), ..ListenerMetrics::default() })
            .collect();
        Ok::<_, Infallible>(MetricsFigures { listeners, ..MetricsFigures::default() })
    });
    let start = Instant::now();
    let bad: Vec<TcpStream> = (0..190)
        .map(|number| {
            let mut connection = TcpStream::connect(addr).unwrap();
            let (request, times) =
                [("", 0), ("GET /metrics HT", 1), ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 1000)]
                    [number % 3];
            // It may have been disconnected already.
            let _ = connection.write_all(request.repeat(times).as_bytes());
            connection
        })
        .collect();
    // And some that connect again and again, and send nothing.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let newcomers = std::thread::spawn(move || {
        let mut latest = std::collections::VecDeque::new();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            latest.extend(TcpStream::connect(addr));
            if latest.len() > 100 {
                latest.pop_front();
            }
        }
    });

    for _ in 0..5 {
        let metrics = request(addr, "GET /metrics HTTP/1.1");
        assert!(metrics.contains("listen=\"[::]:499\""), "{} bytes", metrics.len());
    }

    assert!(start.elapsed() < Duration::from_secs(10), "it waited for the time limit of others");
    drop((stop, bad));
    newcomers.join().unwrap();
}

#[test]
fn a_failed_sample_fails_the_scrape() {
    let (_runtime, addr) = endpoint(|| Err("no netlink here"));

    let reply = request(addr, "GET /metrics HTTP/1.1");

    assert!(reply.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{reply}");
    assert!(reply.ends_with("cannot sample: no netlink here\n"), "{reply}");
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let error = runtime.block_on(Endpoint::bind(addr)).unwrap_err();

    assert_eq!(error.to_string(), format!("cannot serve metrics at {addr}"));
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::AddrInUse));
}

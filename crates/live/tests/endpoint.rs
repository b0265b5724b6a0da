//! What a client gets over HTTP.
#![cfg(test)]

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use echoctl_live::Endpoint;
use echoctl_record::MetricsFigures;
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
    let mut connection = TcpStream::connect(addr).unwrap();
    write!(connection, "{request_line}\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn metrics_are_openmetrics_and_the_root_names_their_path() {
    let (_runtime, addr) = endpoint(|| {
        Ok::<_, Infallible>(MetricsFigures { tcp_memory: Some(4096), ..MetricsFigures::default() })
    });

    let [root, metrics, other, post] = ["GET /", "GET /metrics", "GET /metric", "POST /metrics"]
        .map(|line| request(addr, &format!("{line} HTTP/1.1")));

    assert!(root.starts_with("HTTP/1.1 200 OK\r\n") && root.contains("/metrics"), "{root}");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(
        metrics.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{metrics}"
    );
    assert!(metrics.contains("\ntcp_memory_bytes 4096\n") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(other.starts_with("HTTP/1.1 404 Not Found\r\n"), "{other}");
    assert!(post.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{post}");
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

    assert!(error.to_string().starts_with(&format!("cannot serve metrics at {addr}: ")), "{error}");
}

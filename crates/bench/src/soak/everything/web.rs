//! Clients of the metrics and of the class page: one that reads everything, and one that stalls.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Scrapes metrics, and checks that they are complete.
pub(super) fn scrape(addr: SocketAddr) -> Result<()> {
    let mut connection = request(addr, "/metrics")?;
    let mut reply = String::new();
    connection.read_to_string(&mut reply).context("the reply did not end")?;
    ensure!(reply.starts_with(OK), "{}", reply.lines().next().unwrap_or("no reply"));
    ensure!(reply.trim_end().ends_with("# EOF"), "the metrics are not complete");
    ensure!(reply.contains("echoctl_build_info"), "the metrics are those of another program");
    Ok(())
}

/// A viewer of the page's events, who has seen that they begin, and reads no more. Dropping it closes the connection.
pub(super) struct StalledViewer {
    _connection: TcpStream,
}

impl StalledViewer {
    pub(super) fn join(addr: SocketAddr, page: &str) -> Result<StalledViewer> {
        let mut connection = request(addr, &format!("{page}/events"))?;
        let mut begin = [0; OK.len()];
        connection.read_exact(&mut begin).context("no reply")?;
        ensure!(begin == *OK.as_bytes(), "the page is refused: {}", String::from_utf8_lossy(&begin));
        Ok(StalledViewer { _connection: connection })
    }
}

fn request(addr: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut connection = TcpStream::connect_timeout(&addr, TIMEOUT).context("cannot connect")?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: application/openmetrics-text, */*\r\nConnection: close\r\n\r\n"
    )?;
    Ok(connection)
}

const OK: &str = "HTTP/1.1 200";

/// A scrape of a busy machine takes seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers one request with `reply`, and closes.
    fn server(reply: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            connection.write_all(reply.as_bytes()).unwrap();
        });
        addr
    }

    #[test]
    fn only_complete_metrics_of_echoctl_are_accepted() {
        assert!(scrape(server("HTTP/1.1 200 OK\r\n\r\nechoctl_build_info 1\n# EOF\n")).is_ok());

        for (reply, wrong) in [
            ("HTTP/1.1 200 OK\r\n\r\nechoctl_build_info 1\n", "not complete"),
            ("HTTP/1.1 200 OK\r\n\r\nup 1\n# EOF\n", "another program"),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n# EOF\n", "503"),
            ("", "no reply"),
        ] {
            let error = scrape(server(reply)).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_viewer_who_is_refused_is_an_error() {
        assert!(StalledViewer::join(server("HTTP/1.1 200 OK\r\n\r\n"), "/secret").is_ok());
        assert!(StalledViewer::join(server("HTTP/1.1 404 Not Found\r\n\r\n"), "/secret").is_err());
    }
}

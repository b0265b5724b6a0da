//! A client that keeps reading its socket, and grants no window; and what is measured of it and its server meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use echoctl_http2::{Client, Config, EndStream, Event, Request, StreamId};
use echoctl_observe::ProcessTree;
use echoctl_trial::ChildServer;

use super::server::Method;
use crate::kit::LessonError;
use crate::kit::kernel::socket_state;
use crate::kit::loopback::{connect, is_not_now};

/// What was measured.
pub(super) struct Measurements {
    /// Seconds since the request, and growth of the server's memory in bytes.
    pub(super) memory: Vec<(f64, f64)>,
    /// The same times from [`SETTLED`] after the window was used up, and payload in the queues of both sockets, of both directions.
    pub(super) queues: Vec<(f64, f64)>,
    /// Bytes of the body that the client received.
    pub(super) received: u64,
    /// Round-trip times of PING on the same connection, in ascending order.
    pub(super) pings: Vec<Duration>,
}

/// Whether the client grants a window for what it has received, as a client does that consumes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grants {
    Never,
    AsReceived,
}

/// Starts a server, requests the body, and reads the socket for this long.
pub(super) fn download(
    program: &Path,
    method: Method,
    grants: Grants,
    duration: Duration,
) -> Result<Measurements, LessonError> {
    let mut server = ChildServer::start_lesson(program, &["http2", "--candidate", method.name()])?;
    let mut memory = ProcessTree::new([server.pid()])?;
    let before = memory.read().memory.total();
    let mut download = Download::start(connect(server.addr())?)?;
    let began = Instant::now();
    let mut measured =
        Measurements { memory: Vec::new(), queues: Vec::new(), received: 0, pings: Vec::new() };
    let mut next_sample = Duration::ZERO;
    while began.elapsed() < duration {
        if began.elapsed() >= next_sample {
            let (t, growth) =
                (began.elapsed().as_secs_f64(), memory.read().memory.total().saturating_sub(before));
            measured.memory.push((t, growth as f64));
            if download.window_used_up.is_some_and(|since| since.elapsed() >= SETTLED) {
                measured.queues.push((t, download.queues()? as f64));
            }
            next_sample += BETWEEN_SAMPLES;
        }
        download.step(grants)?;
    }
    server.check()?;
    download.pings.sort();
    (measured.received, measured.pings) = (download.received, download.pings);
    Ok(measured)
}

/// The client's end of the connection.
struct Download {
    socket: TcpStream,
    client: Client,
    stream: StreamId,
    received: u64,
    window_used_up: Option<Instant>,
    /// When the PING was sent that is not answered yet.
    ping_sent: Option<Instant>,
    pings: Vec<Duration>,
}

impl Download {
    /// Sends the request.
    fn start(socket: TcpStream) -> Result<Download, LessonError> {
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        socket.set_nodelay(true)?;
        // Of the connection's window there is always enough: the experiment is about the stream's.
        let mut client = Client::new(Config { initial_window: WINDOW, connection_window: i32::MAX as u32 });
        let request =
            Request { method: "GET", scheme: "http", authority: "localhost", path: "/", fields: &[] };
        let stream = client.open(&request, EndStream::Yes);
        let stream = stream.ok_or_else(|| LessonError::Part("request the body over HTTP/2".to_owned()))?;
        Ok(Download {
            socket,
            client,
            stream,
            received: 0,
            window_used_up: None,
            ping_sent: None,
            pings: Vec::new(),
        })
    }

    /// Writes what is to be written, reads what has arrived, and sends a PING when the last was answered.
    fn step(&mut self, grants: Grants) -> Result<(), LessonError> {
        let output = self.client.output().len();
        self.socket.write_all(self.client.output())?;
        self.client.sent(output);
        let mut buffer = vec![0; READ];
        let read = match self.socket.read(&mut buffer) {
            Ok(0) => {
                return Err(LessonError::Part(
                    "read from the HTTP/2 server: it closed the connection".to_owned(),
                ));
            }
            Ok(read) => read,
            Err(error) if is_not_now(&error) => 0,
            Err(error) => return Err(error.into()),
        };
        let (mut received, mut is_answered) = (0, false);
        let result = self.client.receive(&buffer[..read], &mut |event| match event {
            Event::Data { data, .. } => received += data.len(),
            Event::Acknowledged => is_answered = true,
            _ => {}
        });
        result.map_err(|violation| LessonError::Part(format!("read from the HTTP/2 server: {violation}")))?;
        self.received += received as u64;
        if self.received >= WINDOW.into() {
            self.window_used_up.get_or_insert_with(Instant::now);
        }
        if grants == Grants::AsReceived && received > 0 {
            self.client.grant(Some(self.stream), received as u32);
        }
        if let Some(sent) = self.ping_sent.take_if(|_| is_answered) {
            self.pings.push(sent.elapsed());
        }
        // The first acknowledgement is that of our SETTINGS: it comes before the body.
        if self.ping_sent.is_none() && self.received > 0 && read == 0 {
            self.ping_sent = self.client.ping().then(Instant::now);
        }
        Ok(())
    }

    /// Payload in the queues of both sockets, of both directions. What has arrived and is not acknowledged counts twice.
    fn queues(&self) -> Result<u64, LessonError> {
        let (client, server) = (self.socket.local_addr()?, self.socket.peer_addr()?);
        let ends = [socket_state(client, server)?, socket_state(server, client)?];
        Ok(ends.iter().flatten().map(|end| end.receive_queue + end.send_queue).sum())
    }
}

/// The window that the client grants at the beginning, in bytes.
pub(super) const WINDOW: u32 = 64 << 10;

/// Most bytes per read.
const READ: usize = 64 << 10;

/// How long a read waits: it also paces the PINGs, since one is sent when nothing has arrived for this long.
const READ_TIMEOUT: Duration = Duration::from_millis(10);

/// Time after which everything that was received is acknowledged, too: well above the 40 ms of a delayed ACK.
const SETTLED: Duration = Duration::from_millis(200);

/// Time between two samples: 20 per second.
const BETWEEN_SAMPLES: Duration = Duration::from_millis(50);

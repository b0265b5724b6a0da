//! The control client: it sends what a slow reader sent that was disconnected, and reads.
//!
//! If the server disconnects it as well, it refused the input or limits every connection, and did not defend itself against a client
//! that does not read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_record::Control;

use super::clients::Clients;
use super::connection::Role;
use super::connector::Connector;
use super::driver::{Progress, Read};
use super::token_bucket::TokenBucket;
use crate::Error;
use crate::protocol::Protocol;
use crate::script::{Script, SendMode};
use crate::sys::{self, Interest};

/// What happened to the slow reader.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlowReaderEnd {
    /// How long it was connected, in seconds.
    pub(super) seconds: f64,
    /// Payload that was sent to the server.
    pub(super) sent: u64,
    /// Whether the server sent it anything.
    pub(super) has_output: bool,
}

/// What happened to the control client.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Controlled {
    pub(super) control: Control,
    /// The protocol of what it was answered.
    pub(super) protocol: Option<Protocol>,
}

/// Attacks once more as `slow` did, at most at `rate` bytes per second, and reads. `None` if the server cannot be reached any more.
///
/// It takes 1.2 times as long, and never more than 6 s longer, or half a second in addition.
///
/// # Errors
/// [`Error::Interrupted`], [`Error::ListenerChanged`].
pub(super) fn run(
    script: &Script,
    connector: &mut Connector<'_>,
    slow: SlowReaderEnd,
    rate: u64,
    stop: &AtomicBool,
) -> Result<Option<Controlled>, Error> {
    let Some(mut clients) = connect(script, connector)? else { return Ok(None) };
    let seconds = slow.seconds + (slow.seconds * 0.2 + 0.3).min(MOST_LONGER);
    let bytes = slow.sent.saturating_add(slow.sent / 4).max(first_bytes(script));
    let pace = pace(script, bytes, seconds).min(rate);
    let mut control =
        converse(&mut clients, Amount { bytes, at_once: stimulus(script) }, pace, seconds, stop)?;
    let protocol = clients.first().protocol();
    if slow.seconds < SOON && !slow.has_output {
        drop(clients);
        control.refuses_first_bytes = refuses_first_bytes(script, connector, rate, stop)?;
    }
    Ok(Some(Controlled { control, protocol }))
}

/// Whether the server disconnects a client that sends only the first bytes; `None` if it cannot be reached.
fn refuses_first_bytes(
    script: &Script,
    connector: &mut Connector<'_>,
    rate: u64,
    stop: &AtomicBool,
) -> Result<Option<bool>, Error> {
    let Some(mut clients) = connect(script, connector)? else { return Ok(None) };
    let bytes = clients.sent() + first_bytes(script);
    let ended = converse(&mut clients, Amount { bytes, at_once: bytes }, rate, REFUSING, stop)?;
    Ok(Some(ended.disconnected_at.is_some()))
}

/// Bytes per second that a client receives which sends nothing after its setup; `None` if the server cannot be reached.
///
/// It takes half a second in addition to the setup.
///
/// # Errors
/// [`Error::Interrupted`], [`Error::ListenerChanged`].
pub(super) fn listen(
    script: &Script,
    connector: &mut Connector<'_>,
    stop: &AtomicBool,
) -> Result<Option<u64>, Error> {
    let Some(mut clients) = connect(script, connector)? else { return Ok(None) };
    let heard = converse(&mut clients, Amount { bytes: 0, at_once: 0 }, u64::MAX, LISTENING, stop)?;
    Ok(Some((heard.received as f64 / heard.seconds) as u64))
}

fn connect(script: &Script, connector: &mut Connector<'_>) -> Result<Option<Clients>, Error> {
    match Clients::connect(script, 1, Role::Reader, None, connector) {
        Ok(clients) => Ok(Some(clients)),
        Err(Error::Connect { .. } | Error::Tls(_) | Error::Http2(_) | Error::Step { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Bytes in total.
    bytes: u64,
    /// Bytes that are sent before their answers are read. Thousands of small requests can have gigabytes of answers, which no
    /// client reads in time.
    at_once: u64,
}

/// Sends until `amount` is sent, and reads everything, for some seconds or until the server disconnects. A server that answers at
/// all has its answer read before it is asked again.
fn converse(
    clients: &mut Clients,
    amount: Amount,
    pace: u64,
    seconds: f64,
    stop: &AtomicBool,
) -> Result<Control, Error> {
    let began = Instant::now();
    let mut bucket = TokenBucket::new(pace, began);
    let before = clients.received();
    let (mut asked, mut read_then) = (began, before);
    while began.elapsed().as_secs_f64() < seconds && clients.closed().is_none() {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let read = clients.read_once(|_| {});
        let is_unanswered = clients.received() == read_then && asked.elapsed() < UNANSWERED;
        if read == Read::Some || (clients.received() > before && is_unanswered) {
            wait(clients, Progress::RateLimited);
            continue;
        }
        let left = amount.bytes.saturating_sub(clients.sent()).min(amount.at_once);
        let progress = clients.send(&mut bucket, left, Instant::now());
        (asked, read_then) = (Instant::now(), clients.received());
        if progress != Progress::Sent {
            wait(clients, progress);
        }
    }
    let lasted = began.elapsed().as_secs_f64();
    Ok(Control {
        sent: clients.produced(),
        received: clients.consumed(),
        seconds: lasted,
        disconnected_at: clients.closed().map(|_| lasted),
        refuses_first_bytes: None,
        first_text: clients.first().text(),
    })
}

/// Waits until something can be read or sent, shortly if only the rate forbids it.
fn wait(clients: &Clients, progress: Progress) {
    let reading =
        clients.slow_readers().iter().map(|reader| reader.waited(Interest { read: true, write: false }));
    let is_blocked = progress == Progress::Blocked;
    let sending =
        clients.senders().iter().map(|sender| sender.waited(Interest { read: false, write: is_blocked }));
    let timeout = if progress == Progress::RateLimited { 1 } else { 10 };
    sys::wait(&reading.chain(sending).collect::<Vec<_>>(), Duration::from_millis(timeout));
}

/// Bytes per second at which `bytes` are spread over all of the time, so that a limit by amount and one by time are both met.
fn pace(script: &Script, bytes: u64, seconds: f64) -> u64 {
    match &script.stimulus.send {
        _ if is_flood(script) => (bytes as f64 / seconds) as u64,
        // A request in pieces would be another one.
        SendMode::Once(_) => u64::MAX,
        SendMode::Repeat(payload) => {
            ((bytes as f64 / seconds) as u64).max(payload.len() as u64 * UNITS_PER_SECOND)
        }
    }
}

/// Bytes of one stimulus.
fn stimulus(script: &Script) -> u64 {
    if is_flood(script) {
        return FLOOD;
    }
    let (SendMode::Repeat(payload) | SendMode::Once(payload)) = &script.stimulus.send;
    payload.len() as u64
}

/// Bytes of the first thing that is sent: one stimulus, or a few bytes without framing.
fn first_bytes(script: &Script) -> u64 {
    if is_flood(script) {
        return UNFRAMED as u64;
    }
    let (SendMode::Repeat(payload) | SendMode::Once(payload)) = &script.stimulus.send;
    payload.len().min(if payload.is_uniform() { UNFRAMED } else { LARGEST_FRAME }) as u64
}

fn is_flood(script: &Script) -> bool {
    script.http2.as_ref().is_some_and(|http2| http2.flood.is_some())
}

/// Bytes of a flood that are sent before the answers are read.
const FLOOD: u64 = 16 << 10;

/// The longest time that it takes more than the slow reader did, in seconds.
const MOST_LONGER: f64 = 6.0;

/// A slow reader that was disconnected within these seconds may have been refused.
const SOON: f64 = 1.0;

/// The longest time for which an answer is waited for before the next stimulus: not every one has an answer.
const UNANSWERED: Duration = Duration::from_millis(20);

/// Seconds in which a server that refuses the first bytes disconnects their sender.
const REFUSING: f64 = 0.5;

/// Seconds in which a server that sends by itself shows its rate.
const LISTENING: f64 = 0.5;

/// First bytes without framing: more than a server needs to recognise its protocol, and less than any limit of input.
const UNFRAMED: usize = 64;

/// Bytes of a stimulus that is sent whole. Of a larger one, as much shows whether it is refused.
const LARGEST_FRAME: usize = 64 << 10;

/// The least number of stimuli per second, so that each is sent in one piece.
const UNITS_PER_SECOND: u64 = 50;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};

    use echoctl_testkit::server;

    use super::*;
    use crate::attack::Permitted;
    use crate::attack::connection::Destination;
    use crate::preset::Preset;

    /// The control of a slow reader that sent 1 MB in 0.2 s.
    fn control(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> Controlled {
        run_at(server(serve), &AtomicBool::new(false)).unwrap().unwrap()
    }

    fn run_at(addr: SocketAddr, stop: &AtomicBool) -> Result<Option<Controlled>, Error> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut connector = Connector::new(Destination::plain(addr), Permitted::Any, deadline, stop);
        let slow = SlowReaderEnd { seconds: 0.2, sent: 1_000_000, has_output: false };
        run(&Preset::Raw.script("127.0.0.1"), &mut connector, slow, u64::MAX, stop)
    }

    /// Echoes until it has read `most` bytes.
    fn echo(mut stream: TcpStream, most: usize) {
        let (mut read, mut buffer) = (0, [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            read += count;
            if read > most || stream.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
    }

    #[test]
    fn a_client_that_reads_is_served_to_the_end() {
        let Controlled { control, .. } = control(|stream| echo(stream, usize::MAX));

        assert_eq!((control.disconnected_at, control.refuses_first_bytes), (None, Some(false)));
        assert_eq!(control.sent, 1_250_000);
        assert!(control.received > 0 && control.seconds >= 0.5, "{control:?}");
    }

    #[test]
    fn a_limit_of_input_meets_a_client_that_reads_too() {
        let Controlled { control, .. } = control(|stream| echo(stream, 1_100_000));

        assert!(control.disconnected_at.is_some(), "{control:?}");
        assert_eq!(control.refuses_first_bytes, Some(false));
    }

    #[test]
    fn a_server_that_refuses_the_first_bytes_says_so() {
        let ended = control(|mut stream| {
            // Everything is read, so that the answer is not lost in a reset.
            let _ = stream.read(&mut [0; 64 << 10]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while let Ok(1..) = stream.read(&mut [0; 64 << 10]) {}
        });

        assert!(ended.control.disconnected_at.is_some());
        assert_eq!(ended.control.refuses_first_bytes, Some(true));
        assert_eq!(ended.control.first_text.as_deref(), Some("HTTP/1.1 400 Bad Request"));
        assert_eq!(ended.protocol, Some(Protocol::Http));
    }

    #[test]
    fn only_a_server_that_sends_by_itself_is_heard() {
        let hear = |addr| {
            let stop = AtomicBool::new(false);
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut connector = Connector::new(Destination::plain(addr), Permitted::Any, deadline, &stop);
            listen(&Preset::Raw.script("127.0.0.1"), &mut connector, &stop).unwrap().unwrap()
        };

        assert_eq!(hear(server(|stream| echo(stream, usize::MAX))), 0);
        assert!(hear(server(|mut stream| while stream.write_all(&[0; 4096]).is_ok() {})) > 1 << 20);
    }

    #[test]
    fn a_server_that_is_gone_has_no_control() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);

        assert_eq!(run_at(addr, &AtomicBool::new(false)).unwrap(), None);
        assert!(matches!(run_at(addr, &AtomicBool::new(true)), Err(Error::Interrupted)));
    }
}

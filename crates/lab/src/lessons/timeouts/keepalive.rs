//! TCP keepalive on a connection whose client does not read, and on one whose client does nothing.

use std::io::Write;
use std::thread;
use std::time::Duration;

use echoctl_observe::{TcpInfo, TcpState};
use socket2::{SockRef, TcpKeepalive};

use super::clients::BUFFER;
use crate::kit::LessonError;
use crate::kit::loopback::{Clamp, connection_with, is_not_now, settled};

/// What happened to both connections.
pub(super) struct Keepalive {
    /// Probes of the server's kernel to the client that does nothing, and segments of the client's kernel in return.
    pub(super) probes: u32,
    pub(super) answers: u32,
    /// Whether each connection was closed.
    pub(super) closed_silent: bool,
    pub(super) closed_stalled: bool,
}

/// Leaves both connections alone for this long, with keepalive on the server's ends.
pub(super) fn watch(duration: Duration) -> Result<Keepalive, LessonError> {
    let clamp = Clamp { server_send: Some(BUFFER), client_receive: Some(BUFFER), ..Clamp::NONE };
    let (_silent_client, silent) = connection_with(clamp)?;
    let (_stalled_client, mut stalled) = connection_with(clamp)?;
    for server in [&silent, &stalled] {
        let often = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE).with_retries(1);
        SockRef::from(server).set_tcp_keepalive(&often)?;
    }
    // The client's program reads nothing, until its kernel accepts no more.
    stalled.set_nonblocking(true)?;
    let mut sent = 0;
    settled("the client that does not read holds the server back", QUIET, || {
        loop {
            match stalled.write(&[b'x'; 1 << 14]) {
                Ok(count) => sent += count,
                Err(error) if is_not_now(&error) => return Ok(Some(sent)),
                Err(error) => return Err(error.into()),
            }
        }
    })?;
    let before = TcpInfo::of(&silent)?;
    thread::sleep(duration);
    let after = TcpInfo::of(&silent)?;
    let is_closed = |info: TcpInfo| info.state != TcpState::Established;
    let more =
        |now: Option<u32>, then: Option<u32>| now.zip(then).map_or(0, |(now, then)| now.saturating_sub(then));
    Ok(Keepalive {
        probes: more(after.segs_out, before.segs_out),
        answers: more(after.segs_in, before.segs_in),
        closed_silent: is_closed(after),
        closed_stalled: is_closed(TcpInfo::of(&stalled)?),
    })
}

/// Time without a segment after which keepalive probes, and between two probes: the shortest that Linux has. A peer that does not
/// answer the second is given up.
pub(super) const PROBE: Duration = Duration::from_secs(1);

/// Time without progress after which the server is held back, well above the 40 ms of a delayed ACK.
const QUIET: Duration = Duration::from_millis(300);

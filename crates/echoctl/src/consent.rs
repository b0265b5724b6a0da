//! Checks, before a byte is sent, whether a target may be flooded.
//!
//! Flooding a server of someone else is an attack. So a target outside this host's loopback needs `--allow-remote`, and a
//! server of another user needs `--allow-other-user`. The check is by address, not by name: each address of a name is
//! checked, and only those that pass are connected to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use echoctl_client::Error;
use echoctl_observe::{Listener, ServerAddr, listener_at};

use crate::address;
use crate::cli::called;
use crate::exit::{Exit, Failure};

/// Consent to flood a server of someone else.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Consent {
    /// Allow a target that is not on loopback: only with its owner's consent
    #[arg(long, help_heading = "Consent", hide_short_help = true)]
    allow_remote: bool,

    /// Allow a server that runs as another user: only with their consent
    #[arg(long, help_heading = "Consent", hide_short_help = true)]
    allow_other_user: bool,
}

impl Consent {
    /// Resolves `target` (`host:port` or a port) once, and selects the addresses that may be flooded.
    ///
    /// # Errors
    /// Exit 4 if the name cannot be resolved, exit 2 if consent is missing for all its addresses.
    pub(crate) fn find(self, target: &str) -> Result<Target, Failure> {
        self.allow(target, address::to_connect(target)?)
    }

    /// Checks whether the server at this Unix socket may be flooded. It is on this host, whatever its path.
    ///
    /// # Errors
    /// Exit 4 if nothing listens there; exit 2 if the server belongs to another user, without consent.
    pub(crate) fn check_unix(self, addr: &ServerAddr) -> Result<(), Failure> {
        match listener_at(addr) {
            Ok(found) => self.check_user(&found).map_err(|refusal| refusal.failure(addr)),
            Err(echoctl_observe::Error::NotListening { .. }) => Err(Failure::new(
                Exit::Unreachable,
                anyhow!("cannot connect to {addr}: nothing listens there"),
            )),
            // Without a visible listener, connecting decides.
            Err(_) => Ok(()),
        }
    }

    /// The only user whose servers may be flooded at `addr`: the caller. `None` with consent for other users, and for another
    /// host, whose users are unknown.
    pub(crate) fn only_user(self, addr: &ServerAddr) -> Option<u32> {
        let is_remote = addr.tcp().is_some_and(|addr| !addr.ip().to_canonical().is_loopback());
        let is_open = self.allow_other_user || is_remote;
        if is_open { None } else { echoctl_observe::own_uid() }
    }

    fn allow(self, name: &str, addrs: Vec<SocketAddr>) -> Result<Target, Failure> {
        let (mut allowed, mut refused) = (Vec::new(), Vec::new());
        for addr in addrs {
            match self.check(addr) {
                Ok(_) => allowed.push(addr),
                Err(refusal) => refused.push((addr, refusal)),
            }
        }
        match refused.first() {
            Some((addr, refusal)) if allowed.is_empty() => Err(refusal.failure(*addr)),
            _ => Ok(Target { name: name.to_owned(), consent: self, allowed, refused }),
        }
    }

    /// Checks whether this address may be flooded. Returns its listener, if that is visible.
    fn check(self, addr: SocketAddr) -> Result<Option<Listener>, Refusal> {
        if !addr.ip().to_canonical().is_loopback() && !self.allow_remote {
            return Err(Refusal::Remote);
        }
        // Without a visible listener, connecting decides: the port may be forwarded from another network namespace.
        let listener = listener_at(&addr.into()).ok();
        listener.iter().try_for_each(|found| self.check_user(found))?;
        Ok(listener)
    }

    fn check_user(self, found: &Listener) -> Result<(), Refusal> {
        if found.is_of_another_user() != Some(true) || self.allow_other_user {
            return Ok(());
        }
        let name = found.uid.and_then(echoctl_observe::user_name);
        Err(Refusal::OtherUser(name.unwrap_or_else(|| format!("uid {}", found.uid.unwrap_or_default()))))
    }
}

/// Why an address must not be flooded.
#[derive(Debug)]
enum Refusal {
    Remote,
    /// The name of the server's user.
    OtherUser(String),
}

impl Refusal {
    fn failure(&self, addr: impl fmt::Display) -> Failure {
        match self {
            Refusal::Remote => Failure::usage(format_args!(
                "refusing to send to {addr}, which is not on this host's loopback: nothing was sent"
            ))
            .hint("with the consent of its owner, add --allow-remote"),
            Refusal::OtherUser(user) => Failure::usage(format_args!(
                "refusing to send to {addr}, where a server of another user ({user}) listens: nothing was sent"
            ))
            .hint("with their consent, add --allow-other-user"),
        }
    }

    fn reason(&self) -> String {
        match self {
            Refusal::Remote => "not on this host's loopback, skipped without --allow-remote".to_owned(),
            Refusal::OtherUser(user) => {
                format!("the server of another user ({user}), skipped without --allow-other-user")
            }
        }
    }
}

/// A target that may be flooded: the addresses of its name for which there is consent.
#[derive(Debug)]
pub(crate) struct Target {
    name: String,
    consent: Consent,
    allowed: Vec<SocketAddr>,
    refused: Vec<(SocketAddr, Refusal)>,
}

/// A connection, its address, and the listener there if that is visible.
#[derive(Debug)]
pub(crate) struct Opened<T> {
    pub(crate) connection: T,
    pub(crate) addr: SocketAddr,
    pub(crate) listener: Option<Listener>,
}

impl Target {
    /// Opens a connection to the first of its addresses that accepts one.
    ///
    /// # Errors
    /// Those of [`open_first`]; exit 2 if the server that accepted belongs to another user.
    pub(crate) fn open<T>(
        &self,
        open: impl FnMut(SocketAddr, Duration) -> Result<io::Result<T>, Failure>,
    ) -> Result<Opened<T>, Failure> {
        let refused = self.refused.iter().map(|(addr, refusal)| (*addr, refusal.reason()));
        let (addr, connection) = open_first(&self.name, &self.allowed, &refused.collect::<Vec<_>>(), open)?;
        // Checked again: another program may have taken the port since the first check.
        let listener = self.consent.check(addr).map_err(|refusal| refusal.failure(addr))?;
        Ok(Opened { connection, addr, listener })
    }

    /// The first of its addresses where a server listens: one whose listener is visible, or else one that accepts a
    /// connection.
    ///
    /// # Errors
    /// Exit 4, with each address and the reason.
    pub(crate) fn first_listening(&self) -> Result<SocketAddr, Failure> {
        match self.allowed.iter().find(|addr| listener_at(&ServerAddr::from(**addr)).is_ok()) {
            Some(addr) => Ok(*addr),
            None => self
                .open(|addr, timeout| Ok(echoctl_client::connect(addr, timeout)))
                .map(|opened| opened.addr),
        }
    }

    /// The first of its addresses, for a server that is not started yet.
    pub(crate) fn first(&self) -> SocketAddr {
        self.allowed[0]
    }
}

/// Opens a connection to the first of `addrs` that accepts one, within [`CONNECT_TIMEOUT`] in total. `open` gets an address
/// and a timeout; an outer error of `open` ends the search. `others` are skipped addresses of the name, with the reasons.
///
/// # Errors
/// Exit 4, with each address and what happened there.
pub(crate) fn open_first<T>(
    name: &str,
    addrs: &[SocketAddr],
    others: &[(SocketAddr, String)],
    mut open: impl FnMut(SocketAddr, Duration) -> Result<io::Result<T>, Failure>,
) -> Result<(SocketAddr, T), Failure> {
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let (mut reasons, mut free) = (Vec::new(), None);
    for (index, &addr) in addrs.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = (left / (addrs.len() - index) as u32).max(MIN_ATTEMPT);
        match open(addr, timeout)? {
            Ok(connection) => return Ok((addr, connection)),
            Err(error) => {
                let is_free = error.kind() == io::ErrorKind::ConnectionRefused && addr.ip().is_loopback();
                free = free.or(is_free.then_some(addr));
                reasons.push((addr, reason(&error, timeout)));
            }
        }
    }
    reasons.extend_from_slice(others);
    Err(unreachable(name, &reasons, free))
}

/// The result of opening all connections of a client at one address, for [`open_first`]. The next address is tried only if not even
/// the first connection succeeded: if a later one fails, another address does not help.
///
/// # Errors
/// Exit 4 if a later connection failed, exit 2 if the configuration is invalid.
pub(crate) fn attempted<T>(connected: Result<T, Error>) -> Result<io::Result<T>, Failure> {
    match connected {
        Ok(client) => Ok(Ok(client)),
        Err(Error::Connect { source, opened: 0, .. }) => Ok(Err(source)),
        Err(Error::Connect { addr, source, .. }) => {
            Err(Failure::new(Exit::Unreachable, anyhow!("cannot connect to {addr}: {source}")))
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

/// Exit 4: no address of `name` could be connected to, for these reasons. With a hint if a loopback port is `free`.
fn unreachable(name: &str, reasons: &[(SocketAddr, String)], free: Option<SocketAddr>) -> Failure {
    let target = match name.strip_prefix(':').unwrap_or(name).parse::<u16>() {
        Ok(port) => format!("port {port}"),
        Err(_) => name.to_owned(),
    };
    let is_like_first =
        |(addr, reason): &(SocketAddr, String)| *reason == reasons[0].1 && addr.port() == reasons[0].0.port();
    let why = match reasons {
        // The address is not repeated.
        [(addr, reason)] if addr.to_string() == name => reason.clone(),
        [(_, first), _, ..] if reasons.iter().all(is_like_first) => {
            let hosts: Vec<String> = reasons.iter().map(|(addr, _)| host(*addr)).collect();
            format!("{first} ({})", hosts.join(" and "))
        }
        _ => {
            let each = reasons.iter().map(|(addr, reason)| format!("{addr}: {reason}"));
            each.collect::<Vec<_>>().join("; ")
        }
    };
    let failure = Failure::new(Exit::Unreachable, anyhow!("cannot connect to {target}: {why}"));
    let hint = |addr| format!("nothing listens there; to start a server: {} serve --addr {addr}", called());
    free.map(hint).into_iter().fold(failure, Failure::hint)
}

/// The host of an address, as it is written before a port.
fn host(addr: SocketAddr) -> String {
    let text = addr.to_string();
    text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host).to_owned()
}

/// What happened in an attempt to connect.
fn reason(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut if error.get_ref().is_none() => {
            format!("no answer within {:.1} s", timeout.as_secs_f64())
        }
        // A socket that connected to itself is refused by the client, as this kind with a text of its own.
        io::ErrorKind::ConnectionRefused if error.get_ref().is_none() => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// The hint if a server accepts frames and never replies.
pub(crate) const ECHO_HINT: &str = "does the server echo, and is its framing the same as --framing?";

/// Time limit for connecting, over all addresses of a name: long enough for three lost SYNs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest timeout of one address, if a name has many.
const MIN_ATTEMPT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const NONE: Consent = Consent { allow_remote: false, allow_other_user: false };

    fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// An address where nothing listens, and the socket that reserves it.
    fn free() -> (socket2::Socket, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, addr)
    }

    fn open(addr: SocketAddr, timeout: Duration) -> Result<io::Result<TcpStream>, Failure> {
        Ok(echoctl_client::connect(addr, timeout))
    }

    #[test]
    fn a_remote_target_needs_consent() {
        for remote in ["192.0.2.1:7", "[::ffff:192.0.2.1]:7", "[64:ff9b::7f00:1]:7", "[fe80::1%1]:7"] {
            let refused = NONE.find(remote).expect_err(remote).to_string();
            assert!(refused.contains("--allow-remote"), "{refused}");
        }
        assert!(Consent { allow_remote: true, ..NONE }.find("192.0.2.1:7").is_ok());
    }

    #[test]
    fn a_remote_address_of_a_local_name_is_not_tried() {
        let (_socket, addr) = free();
        let target = NONE.allow("two.test:7", vec![addr, "192.0.2.1:7".parse().unwrap()]).unwrap();

        let mut tried = Vec::new();
        let failure = target.open(|addr, timeout| {
            tried.push(addr);
            open(addr, timeout)
        });

        assert_eq!(tried, [addr]);
        let message = failure.unwrap_err().to_string();
        assert!(message.contains("192.0.2.1:7: not on this host's loopback"), "{message}");
    }

    #[test]
    fn a_name_with_remote_addresses_only_is_refused() {
        let refused = NONE.allow("far.test:7", addrs(&["192.0.2.1:7", "192.0.2.2:7"]));

        assert!(refused.is_err_and(|failure| failure.to_string().contains("nothing was sent")));
    }

    #[test]
    fn the_next_address_of_a_name_is_tried() {
        let (_socket, nothing) = free();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();

        let opened = NONE.allow("localhost:7", vec![nothing, addr]).unwrap().open(open).unwrap();

        assert_eq!((opened.addr, opened.connection.peer_addr().unwrap()), (addr, addr));
        assert!(opened.listener.is_none_or(|listener| listener.pids().any(|pid| pid == std::process::id())));
    }

    #[test]
    fn an_error_names_every_address_and_its_reason() {
        let ((_first, first), (_second, second)) = (free(), free());

        let failure = NONE.allow("localhost:7", vec![first, second]).unwrap().open(open).unwrap_err();

        let message = failure.to_string();
        let reasons = format!("localhost:7: {first}: connection refused; {second}: connection refused");
        assert!(message.contains(&reasons), "{message}");
        assert!(message.contains("\nhint: nothing listens there; to start a server: "), "{message}");
        assert!(message.ends_with(&format!(" serve --addr {first}")), "{message}");
    }

    #[test]
    fn connecting_to_many_addresses_has_one_bound() {
        let mut times = Vec::new();
        let many = addrs(&["127.0.0.1:7"; 4]);
        let failure = open_first("many.test:7", &many, &[], |_, timeout| {
            times.push(timeout);
            Ok(io::Result::<()>::Err(io::ErrorKind::TimedOut.into()))
        });

        assert!(times[0] <= CONNECT_TIMEOUT / 4 && times[3] <= CONNECT_TIMEOUT, "{times:?}");
        assert!(failure.unwrap_err().to_string().contains("no answer within 2.5 s"));
    }

    #[test]
    fn the_hint_to_start_a_server_is_for_this_host_only() {
        let failure = open_first("192.0.2.1:7007", &addrs(&["192.0.2.1:7007"]), &[], refused);

        let message = failure.unwrap_err().to_string();
        assert_eq!(message, "cannot connect to 192.0.2.1:7007: connection refused");
    }

    #[test]
    fn one_reason_for_all_addresses_is_given_once() {
        let failure = open_first("38499", &addrs(&["127.0.0.1:38499", "[::1]:38499"]), &[], refused);

        let message = failure.unwrap_err().to_string();
        let expected = "cannot connect to port 38499: connection refused (127.0.0.1 and [::1])";
        assert_eq!(message.lines().next(), Some(expected));
    }

    fn refused(_: SocketAddr, _: Duration) -> Result<io::Result<()>, Failure> {
        Ok(Err(io::ErrorKind::ConnectionRefused.into()))
    }
}

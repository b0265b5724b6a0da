//! The guard: whom the program may send to. Asked before a byte is sent, by every command that floods.
//!
//! A flood is an attack when it is not one's own server that is flooded. So targets that are not this host's loopback, and
//! servers of other users, need a word of consent each.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use echoctl_observe::{Listener, listener};

use crate::exit::{Exit, Failure};

/// Consent to flood what is not one's own.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Consent {
    /// Allow a target that is not on this host's loopback: only with its owner's consent
    #[arg(long)]
    allow_remote: bool,

    /// Allow a server that runs as another user
    #[arg(long)]
    allow_other_user: bool,
}

/// A target that may be flooded.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Where it is.
    pub(crate) addr: SocketAddr,
    /// Who listens there, as far as that is visible.
    pub(crate) listener: Option<Listener>,
}

impl Consent {
    /// Finds `target` (`host:port`), and refuses it where consent is missing.
    ///
    /// # Errors
    /// Exit 4 when the name leads nowhere, exit 2 when consent is missing.
    pub(crate) fn find(self, target: &str) -> Result<Target, Failure> {
        let addr = resolve(target)?;
        if !addr.ip().to_canonical().is_loopback() && !self.allow_remote {
            return Err(Failure::usage(format_args!(
                "{addr} is not on this host's loopback, and nothing was sent to it: \
                 if its owner agrees to be flooded, give --allow-remote"
            )));
        }
        // Where nobody is to be seen the connection will tell: a port may be forwarded from another network namespace.
        let listener = listener(addr).ok();
        let others = listener.as_ref().filter(|listener| listener.is_of_another_user() == Some(true));
        if let Some(listener) = others.filter(|_| !self.allow_other_user) {
            let user = listener.uid.and_then(echoctl_observe::user_name);
            let user = user.unwrap_or_else(|| format!("uid {}", listener.uid.unwrap_or_default()));
            return Err(Failure::usage(format_args!(
                "the server at {addr} runs as another user ({user}), and nothing was sent to it: \
                 if they agree to be flooded, give --allow-other-user"
            )));
        }
        Ok(Target { addr, listener })
    }
}

/// The address behind `host:port`; the first, where a name has several.
pub(crate) fn resolve(target: &str) -> Result<SocketAddr, Failure> {
    if let Ok(addr) = target.parse() {
        return Ok(addr);
    }
    let Some((_, port)) = target.rsplit_once(':') else {
        return Err(Failure::usage(format_args!("'{target}' is no address: write it as host:port")));
    };
    if port.parse::<u16>().is_err() {
        let why = "a port is a number up to 65535";
        return Err(Failure::usage(format_args!("'{target}' is no address: {why}")));
    }
    let unreachable = |why: String| Failure::new(Exit::Unreachable, anyhow!("cannot find {target}: {why}"));
    // A resolver without a network may take half a minute to say so: it is asked aside, and left behind if need be.
    let (answer, answers) = mpsc::sync_channel(1);
    let name = target.to_owned();
    thread::spawn(move || answer.send(name.to_socket_addrs().map(|mut addrs| addrs.next())));
    match answers.recv_timeout(RESOLVE_WITHIN) {
        Ok(Ok(Some(addr))) => Ok(addr),
        Ok(Ok(None)) => Err(unreachable("the name has no address".to_owned())),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!("no answer within {} s", RESOLVE_WITHIN.as_secs()))),
    }
}

/// No connection to `addr` came about: exit 4, and where nobody listens on this host, what to do.
pub(crate) fn no_connection(addr: SocketAddr, error: &io::Error) -> Failure {
    let is_here = addr.ip().to_canonical().is_loopback();
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused if is_here => {
            format!("nobody listens there: start a server with: echoctl serve --addr {addr}")
        }
        io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(Exit::Unreachable, anyhow!("cannot connect to {addr}: {why}"))
}

/// The longest that a name may take: what a person waits for before they suspect the program.
const RESOLVE_WITHIN: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const NONE: Consent = Consent { allow_remote: false, allow_other_user: false };

    #[test]
    fn a_remote_target_needs_consent() {
        assert!(NONE.find("192.0.2.1:7").is_err());
        assert!(Consent { allow_remote: true, ..NONE }.find("192.0.2.1:7").is_ok());
    }

    #[test]
    fn our_own_server_on_loopback_is_found_with_its_owner() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();

        let target =
            NONE.find(&format!("localhost:{}", addr.port())).or_else(|_| NONE.find(&addr.to_string()));

        assert_eq!(target.unwrap().addr.port(), addr.port());
    }

    #[test]
    fn where_nobody_listens_on_this_host_the_way_out_is_named() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let said = |addr: &str| no_connection(addr.parse().unwrap(), &refused).to_string();

        assert!(said("127.0.0.1:7007").contains("echoctl serve --addr 127.0.0.1:7007"));
        assert!(!said("192.0.2.1:7007").contains("serve"), "another host's server is not ours to start");
    }

    #[test]
    fn what_is_no_address_says_how_to_write_one() {
        for wrong in ["banana", "127.0.0.1:99999", "[::1]:http", "localhost:"] {
            assert!(
                resolve(wrong).is_err_and(|failure| failure.to_string().contains("is no address")),
                "{wrong}"
            );
        }
    }
}

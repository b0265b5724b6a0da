//! Resolves the text of an address (`host:port`, `[::1]:7007`, `7007`, `:7007`) once.
//!
//! A host name stands for all its addresses, in the resolver's order. The result is both checked and connected to, so no name
//! is resolved twice. Each address has one spelling: IPv4 inside IPv6 (`[::ffff:192.0.2.1]`) becomes IPv4, and zones without
//! effect are removed, so that another spelling of an address cannot evade a check.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::anyhow;
use echoctl_observe::{loopback, start_thread};

use crate::exit::{Exit, Failure};
use crate::sys;

/// The default address of servers and clients. On a host without IPv4 loopback it stands for `[::1]:7007`.
pub(crate) const DEFAULT: &str = "127.0.0.1:7007";

/// The argument of commands that connect to a server.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerAddress {
    /// Server address: host:port, :port or port [default: 127.0.0.1:7007]
    ///
    /// A port without a host is on loopback. The default can be set with the environment variable ECHOCTL_ADDR.
    #[arg(env = VARIABLE, hide_env = true, default_value = DEFAULT, hide_default_value = true, value_name = "ADDR", help_heading = "Target")]
    pub(crate) addr: String,
}

/// The addresses that `target` stands for: at least one, each once, in the order in which to try them.
///
/// A bare port or `:port` stands for this host's loopback. So does a wildcard address, since a server on `0.0.0.0` or `[::]`
/// can be reached there.
///
/// # Errors
/// Exit 2 if `target` is not an address; exit 4 if the name cannot be resolved within [`RESOLVE_TIMEOUT`].
pub(crate) fn to_connect(target: &str) -> Result<Vec<SocketAddr>, Failure> {
    let failure = |error: AddressError| {
        let failure = match error {
            AddressError::Invalid(why) => Failure::usage(format_args!("invalid address '{target}': {why}")),
            AddressError::Unresolved(why) => {
                Failure::new(Exit::Unreachable, anyhow!("cannot resolve {target}: {why}"))
            }
        };
        match std::env::var(VARIABLE) {
            Ok(value) if value == target => failure.hint(format_args!("this is the value of {VARIABLE}")),
            _ => failure,
        }
    };
    let addrs = addresses(target, lookup).map_err(failure)?;
    if addrs.iter().any(|addr| addr.port() == 0) {
        return Err(failure(AddressError::Invalid("cannot connect to port 0")));
    }
    Ok(distinct(addrs.into_iter().map(at_loopback)))
}

/// The address to listen on that `text` stands for. Of several, it is the first that this host has. A bare port or `:port`
/// stands for loopback.
///
/// # Errors
/// Those of [`to_connect`], as text.
pub(crate) fn to_listen(text: &str) -> Result<SocketAddr, String> {
    let addrs = addresses(text, lookup).map_err(|error| match error {
        AddressError::Invalid(why) => why.to_owned(),
        AddressError::Unresolved(why) => format!("cannot resolve it: {why}"),
    })?;
    let is_ours = |addr: &&SocketAddr| UdpSocket::bind((addr.ip(), 0)).is_ok();
    addrs.iter().find(is_ours).or(addrs.first()).copied().ok_or_else(|| "the name has no address".to_owned())
}

/// The addresses that `target` stands for, with names resolved by `lookup`.
fn addresses(
    target: &str,
    lookup: impl FnOnce(&str, u16) -> Result<Vec<SocketAddr>, String>,
) -> Result<Vec<SocketAddr>, AddressError> {
    if target == DEFAULT {
        let port = target.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default();
        return Ok(vec![SocketAddr::new(loopback(), port)]);
    }
    if let Ok(addr) = target.parse() {
        return Ok(vec![canonical(addr)]);
    }
    if target.contains("://") {
        return Err(AddressError::Invalid("expected host:port, not a URL"));
    }
    let (host, port) = target.rsplit_once(':').unwrap_or(("", target));
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = port.parse::<u16>().ok().filter(|_| is_number) else {
        // `localhost`, or `80:127.0.0.1`.
        let is_misplaced = !is_number && host.bytes().all(|byte| byte.is_ascii_digit());
        return Err(AddressError::Invalid(match is_misplaced {
            true => "expected port or host:port",
            false => "expected a port from 0 to 65535",
        }));
    };
    let both =
        [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|ip| SocketAddr::new(ip, port));
    if host.is_empty() {
        return Ok(both.to_vec());
    }
    // `[fe80::1%eth0]`: the resolver accepts names of interfaces, but no brackets.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_localhost = host.eq_ignore_ascii_case("localhost");
    let mut addrs = match lookup(host, port) {
        Err(_) if is_localhost => Vec::new(),
        answer => answer.map_err(AddressError::Unresolved)?,
    };
    if is_localhost {
        // Many hosts files have only its IPv4 address, and a server on "localhost" may listen at either.
        addrs.extend(both);
    }
    let addrs = distinct(addrs.into_iter().map(canonical));
    if addrs.is_empty() {
        Err(AddressError::Unresolved("the name has no address".to_owned()))
    } else {
        Ok(addrs)
    }
}

/// Calls the system's resolver. Without a network it can take half a minute, so it runs on a thread of its own, which is
/// abandoned at the timeout.
fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let (answer, answers) = mpsc::sync_channel(1);
    let host = host.to_owned();
    start_thread("resolver", move || {
        sys::resolve_without_modules();
        answer.send((host.as_str(), port).to_socket_addrs().map(Vec::from_iter))
    })
    .map_err(|error| error.to_string())?;
    match answers.recv_timeout(RESOLVE_TIMEOUT) {
        Ok(answer) => answer.map_err(|error| {
            // The standard library's own words before those of the resolver.
            let text = error.to_string();
            text.strip_prefix("failed to lookup address information: ").map(str::to_owned).unwrap_or(text)
        }),
        Err(_) => Err(format!("no answer within {} s", RESOLVE_TIMEOUT.as_secs())),
    }
}

/// The one spelling of an address: IPv4 if it is inside IPv6, and a zone only if it selects a network.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => addr,
        _ => SocketAddr::new(addr.ip().to_canonical(), addr.port()),
    }
}

/// The loopback address of the same family if `addr` is a wildcard, else `addr`.
pub(crate) fn at_loopback(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return addr,
    };
    SocketAddr::new(ip, addr.port())
}

/// Each address once, in the same order.
fn distinct(addrs: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = HashSet::new();
    addrs.into_iter().filter(|addr| seen.insert(*addr)).collect()
}

/// Why a text does not stand for an address.
#[derive(Debug)]
enum AddressError {
    /// It is not an address.
    Invalid(&'static str),
    /// Its name cannot be resolved.
    Unresolved(String),
}

/// The environment variable with the default address.
pub(crate) const VARIABLE: &str = "ECHOCTL_ADDR";

/// Time limit for resolving a name: about as long as a user waits before suspecting a fault.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    fn no_lookup(host: &str, _: u16) -> Result<Vec<SocketAddr>, String> {
        panic!("{host} was looked up")
    }

    fn texts(addrs: impl IntoIterator<Item = SocketAddr>) -> Vec<String> {
        addrs.into_iter().map(|addr| addr.to_string()).collect()
    }

    #[test]
    fn a_name_stands_for_all_its_addresses_in_order() {
        let lookup = |host: &str, port| {
            assert_eq!((host, port), ("example.test", 7));
            let of = |text: &str| SocketAddr::new(text.parse().unwrap(), port);
            Ok(["::1", "127.0.0.1", "::1", "::ffff:127.0.0.1"].map(of).to_vec())
        };

        assert_eq!(texts(addresses("example.test:7", lookup).unwrap()), ["[::1]:7", "127.0.0.1:7"]);
    }

    #[test]
    fn a_name_without_addresses_is_unreachable() {
        let error = |answer: Result<Vec<SocketAddr>, String>| match addresses("example.test:7", |_, _| answer)
        {
            Err(AddressError::Unresolved(why)) => why,
            other => panic!("{other:?}"),
        };

        assert_eq!(error(Ok(Vec::new())), "the name has no address");
        assert_eq!(error(Err("no such host".to_owned())), "no such host");
    }

    #[test]
    fn a_bare_port_is_one_of_loopback() {
        for text in ["7007", ":7007"] {
            assert_eq!(texts(addresses(text, no_lookup).unwrap()), ["127.0.0.1:7007", "[::1]:7007"]);
        }
        assert!(to_listen(":0").unwrap().ip().is_loopback());
    }

    #[test]
    fn localhost_means_both_loopback_addresses() {
        let only_v6 = |_: &str, port| Ok(vec![SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)]);

        assert_eq!(texts(addresses("localhost:7", only_v6).unwrap()), ["[::1]:7", "127.0.0.1:7"]);
    }

    #[test]
    fn an_address_has_one_spelling() {
        for (text, plain) in [
            ("[::ffff:192.0.2.1]:7", "192.0.2.1:7"),
            ("[::ffff:127.0.0.1]:7", "127.0.0.1:7"),
            ("[::ffff:0.0.0.0]:7", "127.0.0.1:7"),
            ("[::1%3]:7", "[::1]:7"),
            ("[fe80::1%3]:7", "[fe80::1%3]:7"),
            ("[64:ff9b::7f00:1]:7", "[64:ff9b::7f00:1]:7"),
            ("0.0.0.0:7", "127.0.0.1:7"),
            ("[::]:7", "[::1]:7"),
        ] {
            assert_eq!(texts(to_connect(text).unwrap()), [plain], "{text}");
        }
        assert_eq!(to_listen("0.0.0.0:7").map(|addr| addr.to_string()), Ok("0.0.0.0:7".to_owned()));
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for wrong in [
            "banana",
            "",
            "http://localhost:80",
            "127.0.0.1:99999",
            "[::1]:http",
            "localhost:",
            "localhost:+7",
            "70000",
            ":0",
        ] {
            let error = to_connect(wrong).expect_err(wrong).to_string();
            assert!(error.contains(&format!("invalid address '{wrong}': ")), "{error}");
        }
    }
}

//! Which requests are answered at all: those that a browser sends for this page, and no other page can make it send.
//!
//! | attack | refused because |
//! |---|---|
//! | a page whose name resolves to this address (DNS rebinding) | `Host` is not an address of this connection, nor a known name |
//! | a form or a script of another page | `Origin` of a POST is not `Host`; no reply allows another origin to read it |
//! | a guess of the path or of the token | both are compared in constant time |

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode};

use super::access::{Access, Secret};
use super::reply::Failure;

/// Refuses a request that another page may have caused. `local` is the address that its client connected to.
pub(super) fn check<B>(request: &Request<B>, local: IpAddr, access: &Access) -> Result<(), Failure> {
    let host = only(request.headers(), &HOST).filter(|host| is_ours(host, local, access));
    // A target with an authority of its own would override the header.
    let (Some(host), None) = (host, request.uri().authority()) else {
        return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, "the page is not served as this host"));
    };
    if request.method() != Method::POST {
        return Ok(());
    }
    let origin = only(request.headers(), &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    if !origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) {
        return Err(Failure::new(StatusCode::FORBIDDEN, "only the page itself may send this"));
    }
    let content_type = only(request.headers(), &CONTENT_TYPE).and_then(|value| value.split(';').next());
    if content_type.map(str::trim) != Some("application/json") {
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected application/json"));
    }
    Ok(())
}

/// Refuses a request without the teacher's token.
pub(super) fn check_token(headers: &HeaderMap, token: &Secret) -> Result<(), Failure> {
    let guess = only(headers, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    match guess.is_some_and(|guess| token.is(guess)) {
        true => Ok(()),
        false => Err(Failure::new(StatusCode::UNAUTHORIZED, "only the teacher's page may do this")),
    }
}

/// The port is not compared: it may be forwarded, and a name that is rebound is refused whatever its port.
fn is_ours(host: &str, local: IpAddr, access: &Access) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    if host.contains('@') {
        return false;
    }
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match literal.parse::<IpAddr>() {
        Ok(addr) => {
            addr.to_canonical() == local.to_canonical()
                || addr.to_canonical().is_loopback()
                || access.hosts.iter().any(|known| known == literal)
        }
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || access.hosts.contains(&name)
        }
    }
}

/// A header that occurs once, as text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

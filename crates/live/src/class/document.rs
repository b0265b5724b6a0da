//! The page: one file, whose only style and only script run by a number that is used once.

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use super::access::Secret;
use super::body::ReplyBody;
use super::reply::{Failure, Reply, reply};

/// The page, with a nonce of its own. All replies share the text around it.
pub(super) fn document() -> Result<Reply, Failure> {
    let random = |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "no random numbers");
    let nonce = Secret::new(NONCE_LETTERS).map_err(random)?;
    let policy = HeaderValue::from_str(&policy(nonce.reveal()))
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "no header"))?;
    let nonce = Bytes::copy_from_slice(nonce.reveal().as_bytes());
    let mut parts = Vec::new();
    for (nth, part) in PAGE.split(PLACEHOLDER).enumerate() {
        if nth > 0 {
            parts.push(nonce.clone());
        }
        parts.push(Bytes::from_static(part.as_bytes()));
    }
    let mut reply = reply(StatusCode::OK, "text/html; charset=utf-8", ReplyBody::from(parts));
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    Ok(reply)
}

/// It runs its own style and script, asks only this server, and is framed by none.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

const PAGE: &str = include_str!("page.html");

/// Where the nonce belongs.
const PLACEHOLDER: &str = "{{nonce}}";

/// 130 bits.
const NONCE_LETTERS: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_style_and_one_script_and_loads_nothing() {
        let count = |text| PAGE.matches(text).count();

        assert_eq!(count("<style nonce=\"{{nonce}}\">"), 1);
        assert_eq!(count("<script nonce=\"{{nonce}}\">"), 1);
        assert_eq!((count("<style"), count("<script"), count(PLACEHOLDER)), (1, 1, 2));
        // The content security policy would refuse them.
        for refused in [" style=\"", " onclick=", " onload=", " src=\"http", "@import", "innerHTML"] {
            assert_eq!(count(refused), 0, "{refused}");
        }
    }
}

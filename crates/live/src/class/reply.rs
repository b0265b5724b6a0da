//! Replies, with the headers that all of them have.

use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::ReplyBody;

/// A reply.
pub(super) type Reply = Response<ReplyBody>;

/// A reply without what was requested, and the reason as a sentence.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    why: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Failure {
        Failure { status, why: why.into() }
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Reply {
        #[derive(Serialize)]
        struct Error {
            error: String,
        }
        json(failure.status, &Error { error: failure.why })
    }
}

/// The headers of every reply: it is not stored, not guessed at, not framed, and its address is not passed on. No header allows
/// another origin to read it.
pub(super) fn reply(status: StatusCode, content_type: &'static str, body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING));
    reply
}

/// A reply in JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    // Data without maps, which has no reason to fail.
    let text = serde_json::to_vec(value).unwrap_or_default();
    reply(status, "application/json", ReplyBody::from(Bytes::from(text)))
}

/// Nothing to say.
pub(super) fn done() -> Reply {
    reply(StatusCode::OK, "application/json", ReplyBody::from(Bytes::from_static(b"{}")))
}

/// What a browser may load or run that takes another reply for a page.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

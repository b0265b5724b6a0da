//! The header of a request.

use crate::hpack;

/// What a request asks for. Names of fields are sent in lower case, as HTTP/2 demands.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host, and port where it is not the scheme's.
    pub authority: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Further fields: name and value.
    pub fields: &'a [(String, String)],
}

impl Request<'_> {
    /// The request as an HPACK block.
    pub(crate) fn encode(&self, block: &mut Vec<u8>) {
        for (name, value) in [
            (":method", self.method),
            (":scheme", self.scheme),
            (":authority", self.authority),
            (":path", self.path),
        ] {
            hpack::encode(name.as_bytes(), value.as_bytes(), block);
        }
        for (name, value) in self.fields {
            hpack::encode(name.to_ascii_lowercase().as_bytes(), value.as_bytes(), block);
        }
    }
}

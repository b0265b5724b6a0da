//! What an audit over TLS trusts, and what it agreed on with the server.

use std::fmt;

/// Which certificates of a server are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Any: on this host, no other machine is in between.
    #[default]
    Any,
    /// Those that one of these certificates vouches for, each in DER.
    Roots(Vec<Vec<u8>>),
    /// Those that a public authority vouches for, by the list that is built in.
    Bundled,
}

/// What was agreed on with a server in a TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPeer {
    /// The version, e.g. `TLS 1.3`.
    pub version: String,
    /// The cipher suite, by its registered name.
    pub cipher: String,
    /// The protocol that the server chose for the inside, escaped for display.
    pub alpn: Option<String>,
    /// The SHA-256 of the server's certificate.
    pub fingerprint: Fingerprint,
}

/// The SHA-256 of a certificate, shown as pairs of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(pub Vec<u8>);

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(formatter, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_shown_as_other_programs_show_it() {
        assert_eq!(Fingerprint(vec![0, 171, 16]).to_string(), "00:AB:10");
    }
}

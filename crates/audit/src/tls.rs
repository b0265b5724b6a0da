//! What an audit over TLS trusts, and what it agreed on with the server.

use std::fmt;

use crate::TlsError;

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

impl Trust {
    /// The certificates in a PEM file.
    ///
    /// # Errors
    /// [`TlsError::Root`] if it has none, or one that is damaged.
    #[cfg(feature = "tls")]
    pub fn in_pem(pem: &[u8]) -> Result<Trust, TlsError> {
        use rustls::pki_types::{CertificateDer, pem::PemObject};

        let roots: Result<Vec<Vec<u8>>, _> =
            CertificateDer::pem_slice_iter(pem).map(|found| found.map(|root| root.to_vec())).collect();
        match roots {
            Ok(roots) if roots.is_empty() => Err(TlsError::Root("it has no BEGIN CERTIFICATE".to_owned())),
            Ok(roots) => Ok(Trust::Roots(roots)),
            Err(error) => Err(TlsError::Root(error.to_string())),
        }
    }

    /// Refused, since nothing is verified without TLS.
    ///
    /// # Errors
    /// [`TlsError::Root`] always.
    #[cfg(not(feature = "tls"))]
    pub fn in_pem(_: &[u8]) -> Result<Trust, TlsError> {
        Err(TlsError::Root("this program was built without TLS".to_owned()))
    }
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

    #[cfg(feature = "tls")]
    #[test]
    fn certificates_to_trust_are_read_from_pem() {
        let pem = include_bytes!("../tests/support/localhost.pem");

        assert!(matches!(Trust::in_pem(pem), Ok(Trust::Roots(roots)) if roots.len() == 1));
        for damaged in [&b""[..], b"text", &pem[..pem.len() / 3]] {
            assert!(matches!(Trust::in_pem(damaged), Err(TlsError::Root(_))), "{}", damaged.escape_ascii());
        }
    }

    #[test]
    fn a_fingerprint_is_shown_as_other_programs_show_it() {
        assert_eq!(Fingerprint(vec![0, 171, 16]).to_string(), "00:AB:10");
    }
}

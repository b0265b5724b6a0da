//! The options for TLS: which certificates of the server are accepted.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, ValueHint};
use echoctl_audit::{Script, Transport, Trust};
use echoctl_observe::ServerAddr;

use crate::cli::built_without;
use crate::exit::Failure;

/// Which certificates of the server are accepted.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// Certificates to trust, a PEM file [default: public ones]
    ///
    /// Only a server on another host is verified by default. On loopback any certificate is accepted without this option.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", hide_short_help = true,
          value_parser = PathBufValueParser::new().try_map(certificates), value_hint = ValueHint::FilePath)]
    ca: Option<Trust>,

    /// Accept any certificate, from another host, too
    #[arg(long, hide_short_help = true)]
    insecure: bool,
}

impl TlsArgs {
    /// Refuses the options without TLS, and TLS in a program without it.
    pub(super) fn check(&self, script: &Script) -> Result<(), Failure> {
        if !cfg!(feature = "tls") && script.transport == Some(Transport::Tls) {
            let failure = Failure::usage("this program cannot audit over TLS");
            return Err(failure.hint(built_without::remedy("tls")));
        }
        let given = match (&self.ca, self.insecure) {
            (Some(_), _) => "--ca",
            (None, true) => "--insecure",
            (None, false) => return Ok(()),
        };
        match script.transport {
            Some(Transport::Tls) => Ok(()),
            _ => Err(Failure::usage(format_args!("{given} has no effect without TLS"))),
        }
    }

    /// The certificates that are accepted of a server at this address.
    pub(super) fn trust(&self, addr: &ServerAddr) -> Trust {
        let is_local = addr.tcp().is_none_or(|addr| addr.ip().to_canonical().is_loopback());
        match &self.ca {
            Some(roots) => roots.clone(),
            None if self.insecure || is_local => Trust::Any,
            None => Trust::Bundled,
        }
    }
}

/// Reads a file of certificates.
fn certificates(path: PathBuf) -> Result<Trust, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    Trust::in_pem(&pem).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_elsewhere_is_verified() {
        let trust = |addr: &str, insecure| {
            let addr = ServerAddr::Tcp(addr.parse().unwrap());
            TlsArgs { ca: None, insecure }.trust(&addr)
        };

        assert_eq!(trust("127.0.0.1:443", false), Trust::Any);
        assert_eq!(trust("[::ffff:127.0.0.1]:443", false), Trust::Any);
        assert_eq!(trust("192.0.2.1:443", false), Trust::Bundled);
        assert_eq!(trust("192.0.2.1:443", true), Trust::Any);
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();

        let error = certificates(file.path().to_owned()).unwrap_err();

        let reason = if cfg!(feature = "tls") { "BEGIN CERTIFICATE" } else { "without TLS" };
        assert!(error.contains(reason), "{error}");
    }
}

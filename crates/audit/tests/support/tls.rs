//! A server's end of TLS, with a self-signed certificate for localhost that serves only these tests.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConnection, StreamOwned};

/// The certificate and its key.
const PEM: &[u8] = include_bytes!("localhost.pem");

/// The SHA-256 of the certificate.
pub(crate) const FINGERPRINT: &str =
    "3B:7A:2B:A9:D3:16:B5:93:F6:B0:09:89:60:29:57:D3:40:98:9F:EE:C0:92:80:77:4F:81:DA:C8:29:B4:E5:7B";

/// The certificate in DER.
pub(crate) fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(PEM).unwrap()
}

/// Whether a server asks its clients for a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// It accepts all.
    All,
    /// It accepts those with a certificate.
    Certified,
}

/// The configuration of a server that offers these protocols inside TLS.
pub(crate) fn config(clients: Clients, alpn: &[&str]) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Clients::All => builder.with_no_client_auth(),
        Clients::Certified => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
    let mut config = builder.with_single_cert(vec![certificate()], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// The server's end of a session over `stream`, which shakes hands with the first read or write.
pub(crate) fn accept(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream)
}

/// Writes `bytes` and lets the client have them before the connection is closed.
pub(crate) fn answer(mut stream: TcpStream, bytes: &[u8]) {
    // A client may be gone, which the server survives.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

//! AutoMTLS: each side makes a certificate for this one start, and each accepts exactly the other's.

mod identity;
mod p521;
mod pin;
mod provider;

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConfig};

pub use self::identity::TlsError;
pub(crate) use self::identity::{Identity, read_pem};
use self::pin::Pin;
use self::provider::provider;

/// The TLS of a side that connects, as `identity`, to the side whose certificate is `peer`.
pub(crate) fn connecting(
    identity: &Identity,
    peer: CertificateDer<'static>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin::new(peer)))
        .with_client_auth_cert(vec![identity.certificate()], identity.key())?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

/// The TLS of a side that accepts, as `identity`, the side whose certificate is `peer`, and nobody else.
pub(crate) fn accepting(
    identity: &Identity,
    peer: CertificateDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Pin::new(peer)))
        .with_single_cert(vec![identity.certificate()], identity.key())?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    // Nobody resumes a session with a plugin, so tickets would only cost their making.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The name in every AutoMTLS certificate.
pub(crate) const NAME: &str = "localhost";

/// Newer Go peers refuse a connection on which this was not agreed.
const HTTP2: &[u8] = b"h2";

#[cfg(test)]
mod tests;

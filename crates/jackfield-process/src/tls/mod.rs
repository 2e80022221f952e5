//! AutoMTLS: each side makes a certificate for this one start, and each accepts exactly the other's.

mod identity;
mod p521;
mod pin;
mod provider;

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};

pub use self::identity::TlsError;
pub(crate) use self::identity::{Identity, is_certificate, read_pem};
use self::pin::Pin;
use self::provider::provider;

/// The TLS of one side in both of its roles: a brokered connection may go against the direction of the main one.
///
/// Under AutoMTLS it makes itself. A host and a plugin that bring their own must each bring both roles, and both
/// must offer the protocol `h2`.
#[derive(Clone)]
#[non_exhaustive]
pub struct TlsConfig {
    /// How this side accepts a connection.
    pub accept: Arc<ServerConfig>,
    /// How this side connects.
    pub connect: Arc<ClientConfig>,
    /// The name that the other side's certificate must have.
    pub name: ServerName<'static>,
}

impl TlsConfig {
    /// A side that connects, as `connect` says, to the side with this name, and accepts as `accept` says.
    pub fn new(connect: Arc<ClientConfig>, accept: Arc<ServerConfig>, name: ServerName<'static>) -> Self {
        Self { accept, connect, name }
    }

    /// The side that is `identity`, talking to the side whose certificate is `peer` and to nobody else.
    pub(crate) fn pinned(identity: &Identity, peer: CertificateDer<'static>) -> Result<Self, TlsError> {
        let connect = connecting(identity, peer.clone())?;
        let name = ServerName::try_from(NAME).map_err(|_| TlsError::Name)?;
        Ok(Self { accept: accepting(identity, peer)?, connect, name })
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The TLS of a side that connects, as `identity`, to the side whose certificate is `peer`.
fn connecting(identity: &Identity, peer: CertificateDer<'static>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin::new(peer)))
        .with_client_auth_cert(vec![identity.certificate()], identity.key())?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

/// The TLS of a side that accepts, as `identity`, the side whose certificate is `peer`, and nobody else.
fn accepting(identity: &Identity, peer: CertificateDer<'static>) -> Result<Arc<ServerConfig>, TlsError> {
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
const NAME: &str = "localhost";

/// Newer Go peers refuse a connection on which this was not agreed.
const HTTP2: &[u8] = b"h2";

#[cfg(test)]
mod tests;

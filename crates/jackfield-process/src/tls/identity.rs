//! Makes and reads the certificates of AutoMTLS.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;

use super::NAME;

/// A certificate for one start of one plugin, with its key, which never leaves this process.
#[derive(Debug)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    /// Makes a new key, and a certificate that each side may use in both roles: brokered connections
    /// reverse them.
    pub(crate) fn generate() -> Result<Self, TlsError> {
        // Go itself takes P-521, which is milliseconds slower and which it does not ask of its peer.
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let now = SystemTime::now();
        let mut parameters = CertificateParams::new([NAME.to_owned()])?;
        parameters.not_before = (now - CLOCK_SKEW).into();
        parameters.not_after = (now + VALIDITY).into();
        parameters.distinguished_name.push(DnType::CommonName, NAME);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.self_signed(&key)?;
        Ok(Self { certificate: certificate.der().clone(), key })
    }

    /// The certificate.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The certificate as a host passes it on.
    pub(crate) fn pem(&self) -> String {
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let text = STANDARD.encode(&self.certificate);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, next) = rest.split_at(rest.len().min(PEM_LINE));
            pem.extend([line, "\n"]);
            rest = next;
        }
        pem + "-----END CERTIFICATE-----\n"
    }

    /// What was made before, from its two parts.
    pub(crate) fn restore(certificate: CertificateDer<'static>, key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { certificate, key: KeyPair::try_from(key)? })
    }

    /// The key, as PKCS#8.
    pub(crate) fn key_bytes(&self) -> Vec<u8> {
        self.key.serialize_der()
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// Reads the certificate that a host passed in PEM.
pub(crate) fn read_pem(pem: &str) -> Result<CertificateDer<'static>, TlsError> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(TlsError::Pem)?;
    match is_certificate(&certificate) {
        true => Ok(certificate),
        false => Err(TlsError::Peer),
    }
}

/// Whether these bytes are a certificate at all, whoever's.
pub(crate) fn is_certificate(bytes: &[u8]) -> bool {
    ParsedCertificate::try_from(&CertificateDer::from(bytes)).is_ok()
}

/// AutoMTLS could not be prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate or its key could not be made.
    #[error("failed to make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The certificates cannot be used together.
    #[error("failed to set up TLS")]
    Config(#[from] rustls::Error),
    /// The name in the certificates is none.
    #[error("failed to name the other side")]
    Name,
    /// The host passed something that says that it is a certificate, but is none.
    #[error("expected the host's certificate in `PLUGIN_CLIENT_CERT`, found one that cannot be read")]
    Peer,
    /// The host passed something else than a certificate.
    #[error("expected the host's certificate in `PLUGIN_CLIENT_CERT`")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

const PEM_LINE: usize = 64;
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// Thirty years, as in Go: a plugin may run for long.
const VALIDITY: Duration = Duration::from_secs(262_980 * 3600);

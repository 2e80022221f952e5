//! TLS that the two ends bring themselves, from files that either language can read.

use std::path::Path;
use std::sync::Arc;

use jackfield_process::TlsConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The end `own`, talking to the end `peer`.
pub(crate) fn load(directory: &Path, own: &str, peer: &str) -> TlsConfig {
    let certificate =
        |name: &str| CertificateDer::from_pem_file(directory.join(format!("{name}.pem"))).unwrap();
    let key = || PrivateKeyDer::from_pem_file(directory.join(format!("{own}.key"))).unwrap();
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(peer)).unwrap();
    let roots = Arc::new(roots);

    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let mut accept = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate(own)], key())
        .unwrap();
    accept.alpn_protocols = vec![b"h2".to_vec()];
    let mut connect = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(own)], key())
        .unwrap();
    connect.alpn_protocols = vec![b"h2".to_vec()];
    TlsConfig::new(Arc::new(connect), Arc::new(accept), ServerName::try_from("localhost").unwrap())
}

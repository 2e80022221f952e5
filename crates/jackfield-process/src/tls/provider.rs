//! Composes the cryptography of AutoMTLS: *ring* for everything, and ours for P-521.
//!
//! aws-lc would know P-521 too, but it gathers entropy from the jitter of the clock at its first random
//! number, which costs every process that starts some 30 milliseconds.

use std::sync::{Arc, LazyLock};

use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::SignatureVerificationAlgorithm;

use super::p521::EcdsaP521Sha512;

/// The cryptography.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            signature_verification_algorithms: *ALGORITHMS,
            ..ring::default_provider()
        })
    });
    Arc::clone(&PROVIDER)
}

/// The signatures that can be checked.
pub(super) fn algorithms() -> &'static WebPkiSupportedAlgorithms {
    &ALGORITHMS
}

static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let known = ring::default_provider().signature_verification_algorithms;
    // Leaked once per process: rustls wants its tables to live for ever.
    WebPkiSupportedAlgorithms {
        all: [known.all, P521].concat().leak(),
        mapping: [known.mapping, &[(SignatureScheme::ECDSA_NISTP521_SHA512, P521)]].concat().leak(),
    }
});

const P521: &[&dyn SignatureVerificationAlgorithm] = &[&EcdsaP521Sha512];

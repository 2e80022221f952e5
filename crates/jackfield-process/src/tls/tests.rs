//! A third process cannot connect, whichever half of an identity it has.

use ::p521::ecdsa::{Signature, SigningKey, VerifyingKey};
use rustls::pki_types::SignatureVerificationAlgorithm as _;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, ServerConnection};

use super::p521::EcdsaP521Sha512;
use super::*;

/// Runs a TLS handshake in memory, to the end or to the first refusal.
fn shake_hands(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<(), rustls::Error> {
    let mut client = ClientConnection::new(client, NAME.try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert_eq!(client.alpn_protocol(), Some(HTTP2));
    Ok(())
}

/// An identity that shows the certificate of `face` but has only its own key.
fn masked(face: &Identity) -> Arc<SingleCertAndKey> {
    let own = Identity::generate().unwrap();
    let key = provider().key_provider.load_private_key(own.key()).unwrap();
    Arc::new(CertifiedKey::new(vec![face.certificate()], key).into())
}

#[test]
fn the_two_connect() {
    let (host, plugin) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let client = connecting(&host, plugin.certificate()).unwrap();
    let server = accepting(&plugin, read_pem(&host.pem()).unwrap()).unwrap();
    shake_hands(client, server).unwrap();
}

#[test]
fn a_host_with_another_certificate_is_refused() {
    let [host, plugin, third] = [(); 3].map(|()| Identity::generate().unwrap());
    let client = connecting(&third, plugin.certificate()).unwrap();
    let server = accepting(&plugin, host.certificate()).unwrap();
    shake_hands(client, server).unwrap_err();
}

#[test]
fn a_plugin_with_another_certificate_is_refused() {
    let [host, plugin, third] = [(); 3].map(|()| Identity::generate().unwrap());
    let client = connecting(&host, plugin.certificate()).unwrap();
    let server = accepting(&third, host.certificate()).unwrap();
    shake_hands(client, server).unwrap_err();
}

#[test]
fn the_right_certificate_without_its_key_is_refused() {
    let (host, plugin) = (Identity::generate().unwrap(), Identity::generate().unwrap());

    let mut client = Arc::unwrap_or_clone(connecting(&host, plugin.certificate()).unwrap());
    let server = accepting(&plugin, host.certificate()).unwrap();
    client.client_auth_cert_resolver = masked(&host);
    shake_hands(Arc::new(client), server).unwrap_err();

    let client = connecting(&host, plugin.certificate()).unwrap();
    let mut server = Arc::unwrap_or_clone(accepting(&plugin, host.certificate()).unwrap());
    server.cert_resolver = masked(&plugin);
    shake_hands(client, Arc::new(server)).unwrap_err();
}

/// What Go signs with: the key, the message `sample` and the signature of RFC 6979, A.2.7.
#[test]
fn a_signature_over_p521_is_of_the_certificates_key_and_the_message() {
    let digits = |text: &str| -> Vec<u8> {
        let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    };
    let own = digits(&format!("04{}{}", RFC_6979[0], RFC_6979[1]));
    let signature = digits(&format!("{}{}", RFC_6979[2], RFC_6979[3]));
    let signature = Signature::from_slice(&signature).unwrap().to_der();
    let other = SigningKey::from_slice(&[[0; 33], [1; 33]].concat()).unwrap();
    let other = VerifyingKey::from(&other).to_encoded_point(false);
    let check = |key: &[u8], message: &[u8], signature: &[u8]| {
        EcdsaP521Sha512.verify_signature(key, message, signature).is_ok()
    };
    let signature = signature.as_bytes();
    assert!(check(&own, b"sample", signature));
    assert!(!check(&own, b"simple", signature));
    assert!(!check(other.as_bytes(), b"sample", signature));
    assert!(!check(&own[1..], b"sample", signature));
    assert!(!check(&own, b"sample", &signature[1..]) && !check(&own, b"sample", b""));
}

const RFC_6979: [&str; 4] = [
    "01894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4",
    "00493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5",
    "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
    "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
];

#[test]
fn what_only_looks_like_a_certificate_is_none() {
    let identity = Identity::generate().unwrap();
    assert!(is_certificate(&identity.certificate()));
    assert!(!is_certificate(&identity.certificate()[1..]));
    assert!(!is_certificate(&[0; 100]));
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(read_pem(pem), Err(TlsError::Peer)));
    assert!(matches!(read_pem("AAAA"), Err(TlsError::Pem(_))));
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let (host, plugin) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin::new(plugin.certificate())))
        .with_no_client_auth();
    client.alpn_protocols = vec![HTTP2.to_vec()];
    let server = accepting(&plugin, host.certificate()).unwrap();
    shake_hands(Arc::new(client), server).unwrap_err();
}

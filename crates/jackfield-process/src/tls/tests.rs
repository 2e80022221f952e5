//! A third process cannot connect, whichever half of an identity it has.

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, ServerConnection};

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

//! Says where a plugin runs, so that another host can go on with it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::child::{Bond, ChildHandle};
use crate::handshake::{Address, Protocol};
use crate::tls::{Identity, TlsConfig, TlsError};

/// Where a plugin runs that some host started, or that somebody runs in a debugger.
///
/// It is written and read as Terraform's tools do, in JSON: `{"Protocol":"grpc","ProtocolVersion":6,"Pid":12345,
/// "Test":true,"Addr":{"Network":"unix","String":"/tmp/plugin123456"}}`. Under AutoMTLS it also holds the host's key,
/// which other tools ignore: whoever reads that text can talk to the plugin, so it must be kept as a password is.
///
/// ```
/// let text = r#"{"Protocol":"grpc","ProtocolVersion":6,"Pid":7,"Test":true,"Addr":{"Network":"unix","String":"/s"}}"#;
/// let reattach: jackfield_process::Reattach = text.parse()?;
/// assert_eq!((reattach.protocol_version, reattach.pid), (6, Some(7)));
/// assert_eq!(reattach.to_string().parse::<jackfield_process::Reattach>()?, reattach);
/// # Ok::<(), jackfield_process::ReattachParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reattach {
    /// What it speaks.
    pub protocol: Protocol,
    /// The version of the application's protocol that was chosen.
    pub protocol_version: i32,
    /// Where it listens.
    pub address: Address,
    /// The number of its process, if that is known here.
    pub pid: Option<u32>,
    /// Whose it is.
    pub owner: Owner,
    pub(crate) keys: Option<Keys>,
}

/// Who ends a plugin to which a host attached itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// The host does.
    Host,
    /// Whoever runs it does, as in a debugger: a host that stops it only leaves. Others write `"Test":true`.
    Somebody,
}

/// What the host of an AutoMTLS connection is, and whom it talks to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Its certificate, as DER.
    pub(crate) certificate: Vec<u8>,
    /// Its key, as PKCS#8.
    pub(crate) key: Vec<u8>,
    /// The plugin's certificate, as DER.
    pub(crate) peer: Vec<u8>,
}

impl Reattach {
    /// A gRPC plugin of the host's without AutoMTLS.
    pub fn new(protocol_version: i32, address: Address) -> Self {
        Self {
            protocol: Protocol::Grpc,
            protocol_version,
            address,
            pid: None,
            owner: Owner::Host,
            keys: None,
        }
    }

    /// Where this process listens, which this host has.
    pub(crate) fn of(child: &ChildHandle, version: i32, address: Address, keys: Option<Keys>) -> Self {
        let owner = if child.bond() == Bond::Lent { Owner::Somebody } else { Owner::Host };
        Self { pid: child.pid(), owner, keys, ..Self::new(version, address) }
    }

    /// Reads what a variable such as `TF_REATTACH_PROVIDERS` holds: plugins by name.
    ///
    /// # Errors
    /// If it is no JSON object, or one of its values is no such plugin.
    pub fn read_all(json: &str) -> Result<BTreeMap<String, Self>, ReattachParseError> {
        let all: BTreeMap<String, Value> = serde_json::from_str(json).map_err(ReattachParseError::Json)?;
        all.into_iter().map(|(name, value)| Ok((name, read(&value)?))).collect()
    }

    /// Writes what such a variable holds.
    pub fn write_all<'a>(plugins: impl IntoIterator<Item = (&'a str, &'a Self)>) -> String {
        let all = plugins.into_iter().map(|(name, plugin)| (name.to_owned(), plugin.to_json()));
        Value::Object(all.collect()).to_string()
    }

    /// The TLS of the host that this describes.
    pub(crate) fn tls(&self) -> Result<Option<TlsConfig>, TlsError> {
        let Some(keys) = &self.keys else { return Ok(None) };
        let identity = Identity::restore(keys.certificate.clone().into(), &keys.key)?;
        TlsConfig::pinned(&identity, CertificateDer::from(keys.peer.clone())).map(Some)
    }

    fn to_json(&self) -> Value {
        let (network, address) = self.address.parts();
        let mut value = json!({
            "Protocol": self.protocol.to_string(),
            "ProtocolVersion": self.protocol_version,
            "Pid": self.pid.unwrap_or_default(),
            "Test": self.owner == Owner::Somebody,
            "Addr": { "Network": network, "String": address },
        });
        if let Some(Keys { certificate, key, peer }) = &self.keys {
            let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
            let keys = json!({ "Certificate": text(certificate), "Key": text(key), "Peer": text(peer) });
            value["AutoMTLS"] = keys;
        }
        value
    }
}

fn read(value: &Value) -> Result<Reattach, ReattachParseError> {
    let text = |value: &Value, field: &'static str| {
        let found = &value[field];
        found.as_str().map(str::to_owned).ok_or_else(|| wrong(field, "a text", found))
    };
    let number = |field: &'static str| match &value[field] {
        Value::Null => Ok(0),
        found => found.as_i64().ok_or_else(|| wrong(field, "a number", found)),
    };
    let protocol = match value["Protocol"].as_str().unwrap_or_default() {
        "grpc" => Protocol::Grpc,
        // As an empty field of the handshake means, and hosts before gRPC wrote.
        "" | "netrpc" => Protocol::NetRpc,
        _ => return Err(wrong("Protocol", "`grpc` or `netrpc`", &value["Protocol"])),
    };
    let place = &value["Addr"];
    let address = Address::parse(&text(place, "Network")?, &text(place, "String")?);
    let address = address.map_err(|_| wrong("Addr", "a socket of network `unix` or `tcp`", place))?;
    Ok(Reattach {
        protocol,
        protocol_version: number("ProtocolVersion")?.try_into().unwrap_or_default(),
        address,
        pid: u32::try_from(number("Pid")?).ok().filter(|pid| *pid > 0),
        owner: if value["Test"] == true { Owner::Somebody } else { Owner::Host },
        keys: read_keys(&value["AutoMTLS"])?,
    })
}

fn read_keys(value: &Value) -> Result<Option<Keys>, ReattachParseError> {
    if value.is_null() {
        return Ok(None);
    }
    let bytes = |field: &'static str| {
        let decoded = value[field].as_str().and_then(|text| STANDARD_NO_PAD.decode(text).ok());
        decoded.ok_or_else(|| ReattachParseError::Field {
            field,
            expected: "base64",
            found: "something else".to_owned(),
        })
    };
    Ok(Some(Keys { certificate: bytes("Certificate")?, key: bytes("Key")?, peer: bytes("Peer")? }))
}

fn wrong(field: &'static str, expected: &'static str, found: &Value) -> ReattachParseError {
    ReattachParseError::Field { field, expected, found: found.to_string() }
}

impl FromStr for Reattach {
    type Err = ReattachParseError;

    fn from_str(json: &str) -> Result<Self, ReattachParseError> {
        read(&serde_json::from_str(json).map_err(ReattachParseError::Json)?)
    }
}

impl fmt::Display for Reattach {
    /// Writes the JSON, the host's key included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl fmt::Debug for Reattach {
    /// Keeps the host's key out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reattach")
            .field("protocol", &self.protocol)
            .field("protocol_version", &self.protocol_version)
            .field("address", &self.address)
            .field("pid", &self.pid)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// A text does not say where a plugin runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReattachParseError {
    /// A field is not what it should be.
    #[error("expected {expected} in field `{field}`, found `{found}`")]
    Field {
        /// Its name.
        field: &'static str,
        /// What should stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// It is no JSON.
    #[error("expected the JSON of a running plugin")]
    Json(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terraform_prints_is_read_and_written() {
        let text = r#"{"registry.terraform.io/hashicorp/time":
            {"Protocol":"grpc","ProtocolVersion":6,"Pid":12345,"Test":true,
            "Addr":{"Network":"unix","String":"/tmp/plugin123456"}}}"#;
        let all = Reattach::read_all(text).unwrap();
        let (name, plugin) = all.first_key_value().unwrap();
        assert_eq!(name, "registry.terraform.io/hashicorp/time");
        assert_eq!((plugin.protocol_version, plugin.pid, plugin.owner), (6, Some(12345), Owner::Somebody));
        assert_eq!(plugin.address, Address::Unix("/tmp/plugin123456".into()));
        let written = Reattach::write_all([(name.as_str(), plugin)]);
        assert_eq!(Reattach::read_all(&written).unwrap(), all);
    }

    #[test]
    fn keys_survive_but_are_not_shown() {
        let mut plugin = Reattach::new(1, Address::Tcp("127.0.0.1:7".parse().unwrap()));
        plugin.keys = Some(Keys { certificate: vec![1], key: vec![2, 2], peer: vec![3, 3, 3] });
        assert_eq!(plugin.to_string().parse::<Reattach>().unwrap(), plugin);
        assert!(!format!("{plugin:?}").contains("key"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| text.parse::<Reattach>().unwrap_err().to_string();
        assert_eq!(error("x"), "expected the JSON of a running plugin");
        assert_eq!(error("{}"), "expected a text in field `Network`, found `null`");
        let other = r#"{"Protocol":"grpc","Addr":{"Network":"udp","String":"x"}}"#;
        assert!(error(other).contains("expected a socket of network `unix` or `tcp` in field `Addr`"));
        let odd = r#"{"Protocol":"http"}"#;
        assert!(error(odd).contains("expected `grpc` or `netrpc` in field `Protocol`, found `\"http\"`"));
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_read_or_refused(text: String) {
            let _read = text.parse::<Reattach>();
            let _read = Reattach::read_all(&text);
        }
    }
}

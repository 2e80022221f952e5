//! Reads and writes the one line by which a plugin announces itself.
//!
//! Knows the text format only. It never spawns a process and never touches a socket.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What a plugin announced on its first line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announcement {
    /// The version of the application's protocol the plugin chose.
    pub version: i32,
    /// Where the plugin listens.
    pub address: Address,
    /// What it speaks there.
    pub protocol: Protocol,
    /// The plugin's certificate as DER, under AutoMTLS.
    pub certificate: Option<Vec<u8>>,
    /// Whether the plugin multiplexes its connections; `None` if it does not say.
    pub multiplexing: Option<bool>,
    /// All versions that the plugin has, where the host has none of them: of ours only, in a field of ours that no other
    /// host reads. A host looks at the version before it.
    pub versions: Vec<i32>,
    /// Whether the plugin serves exactly the interface that its host told it: of ours only, in a field that only a host of
    /// ours gets.
    pub conforms: bool,
}

impl Announcement {
    /// An announcement of a gRPC plugin without certificate.
    pub fn new(version: i32, address: Address) -> Self {
        Self {
            version,
            address,
            protocol: Protocol::Grpc,
            certificate: None,
            multiplexing: None,
            versions: Vec::new(),
            conforms: false,
        }
    }
}

/// Where a plugin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP socket.
    Tcp(SocketAddr),
    /// A Unix socket; a path that starts with `@` is an abstract name.
    Unix(PathBuf),
}

impl Address {
    /// Reads an address as peers write it.
    pub(crate) fn parse(network: &str, address: &str) -> Result<Self, HandshakeError> {
        parse_address(network, address)
    }

    /// The network and the address on it, as peers read them.
    pub(crate) fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Tcp(address) => ("tcp", address.to_string()),
            Self::Unix(path) => ("unix", path.display().to_string()),
        }
    }

    /// The socket's file, if it has one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) if !path.as_os_str().as_bytes().starts_with(b"@") => Some(path),
            Self::Unix(_) | Self::Tcp(_) => None,
        }
    }
}

/// What a plugin speaks on its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Go's net/rpc, the default of a line that does not say.
    NetRpc,
}

impl FromStr for Announcement {
    type Err = HandshakeError;

    fn from_str(line: &str) -> Result<Self, HandshakeError> {
        let fields: Vec<&str> = line.trim().split('|').collect();
        let [core, version, network, address, optional @ ..] = fields.as_slice() else {
            return Err(HandshakeError::Unrecognised { line: shorten(line) });
        };
        check_core(core)?;
        Ok(Self {
            version: number(version).ok_or_else(|| HandshakeError::Version { found: shorten(version) })?,
            address: parse_address(network, address)?,
            protocol: parse_protocol(optional.first().copied())?,
            certificate: parse_certificate(optional.get(1).copied().unwrap_or_default())?,
            multiplexing: optional.get(2).and_then(|field| boolean(field)),
            versions: optional.get(3).map(|field| versions(field)).unwrap_or_default(),
            conforms: optional.get(4) == Some(&CONFORMS),
        })
    }
}

impl fmt::Display for Announcement {
    /// Writes the line without its line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, address, protocol, certificate, multiplexing, versions, conforms } = self;
        write!(f, "{CORE_VERSION}|{version}|{address}|{protocol}|")?;
        if let Some(certificate) = certificate {
            f.write_str(&STANDARD_NO_PAD.encode(certificate))?;
        }
        let multiplexing = multiplexing.map(|multiplexing| multiplexing.to_string()).unwrap_or_default();
        let versions = versions.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let conforms = if *conforms { CONFORMS } else { "" };
        let optional = [multiplexing.as_str(), &versions, conforms];
        // A field that no host expects is not there.
        let used = optional.iter().rposition(|field| !field.is_empty()).map_or(0, |last| last + 1);
        optional[..used].iter().try_for_each(|field| write!(f, "|{field}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, address) = self.parts();
        write!(f, "{network}|{address}")
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::NetRpc => "netrpc",
        })
    }
}

/// A plugin's first line is not a handshake this host can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The address makes no sense on its network.
    #[error("expected an address of network `{network}`, found `{found}`")]
    Address {
        /// The network the plugin named.
        network: String,
        /// What stood in the place of the address.
        found: String,
    },
    /// The certificate is no base64.
    #[error("expected the plugin's certificate in base64, found {length} characters that are none")]
    Certificate {
        /// How long the field was.
        length: usize,
    },
    /// The certificate is base64 of something else.
    #[error("expected the plugin's certificate, found {length} bytes that cannot be read as one")]
    CertificateBytes {
        /// How many there were.
        length: usize,
    },
    /// The first field is no number.
    #[error("expected a core protocol version, found `{found}`")]
    Core {
        /// What stood in the first field.
        found: String,
    },
    /// The plugin was built for another generation of the handshake.
    #[error(
        "expected core protocol version `{CORE_VERSION}`, found `{found}`\n\
         (hint: the plugin must be built anew; tell its author)"
    )]
    IncompatibleCore {
        /// The plugin's core protocol version.
        found: i32,
    },
    /// The plugin speaks another version of the application's protocol.
    #[error("expected protocol version {}, found {}", either(expected), all(*found, own))]
    IncompatibleVersion {
        /// The versions the host speaks.
        expected: Vec<i32>,
        /// The version the plugin chose.
        found: i32,
        /// All versions that the plugin has; empty if it does not say, as in Go.
        own: Vec<i32>,
    },
    /// The network is neither `unix` nor `tcp`.
    #[error("expected network `unix` or `tcp`, found `{found}` with address `{address}`")]
    Network {
        /// The network the plugin named.
        found: String,
        /// The address it gave.
        address: String,
    },
    /// The protocol is unknown.
    #[error("expected protocol `grpc` or `netrpc`, found `{found}`")]
    Protocol {
        /// The protocol the plugin named.
        found: String,
    },
    /// The line has fewer than four fields.
    #[error(
        "expected a handshake of the form `1|version|network|address|protocol|certificate`, found `{line}`\n\
         (hint: is it a plugin? what it prints to its standard output before the handshake is passed over)"
    )]
    Unrecognised {
        /// The beginning of the line.
        line: String,
    },
    /// The host wants all connections over one socket, which the plugin does not do.
    #[error(
        "expected a plugin that multiplexes its connections, found one that does not\n\
         (hint: plugins multiplex since version 1.6 of go-plugin, those of python not at all)"
    )]
    NoMultiplexing,
    /// The plugin returned a certificate to a host that had not asked for one.
    #[error("expected no certificate, since AutoMTLS is off, but the plugin sent one")]
    UnwantedCertificate,
    /// The host asked for AutoMTLS, but the plugin returned no certificate.
    #[error(
        "expected a certificate, since AutoMTLS is on, but the plugin sent none\n\
         (hint: the plugin brings its own TLS or is too old for AutoMTLS)"
    )]
    MissingCertificate,
    /// The plugin speaks a protocol that this host does not.
    #[error("expected protocol `grpc`, found `{found}`")]
    UnsupportedProtocol {
        /// What the plugin speaks.
        found: Protocol,
    },
    /// The second field is no number.
    #[error("expected a protocol version, found `{found}`")]
    Version {
        /// What stood in the second field.
        found: String,
    },
}

impl HandshakeError {
    /// Whether the line is no handshake at all, such as what a program prints before it says what it is.
    pub(crate) fn is_noise(&self) -> bool {
        matches!(self, Self::Core { .. } | Self::Unrecognised { .. })
    }
}

/// Names each of the versions: "`1` or `2`".
fn either(versions: &[i32]) -> String {
    versions.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(" or ")
}

/// Names what the plugin has, as far as its line says it.
fn all(found: i32, own: &[i32]) -> String {
    if own.is_empty() {
        return format!(
            "`{found}`\n(hint: the plugin may have others, which it does not tell; go-plugin names the lowest)"
        );
    }
    own.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(" and ")
}

fn check_core(field: &str) -> Result<(), HandshakeError> {
    match number(field) {
        None => Err(HandshakeError::Core { found: shorten(field) }),
        Some(CORE_VERSION) => Ok(()),
        Some(found) => Err(HandshakeError::IncompatibleCore { found }),
    }
}

fn parse_address(network: &str, address: &str) -> Result<Address, HandshakeError> {
    match network {
        "unix" if !address.is_empty() => Ok(Address::Unix(PathBuf::from(address))),
        "tcp" => parse_tcp(address).map(Address::Tcp).ok_or_else(|| invalid_address(network, address)),
        "unix" => Err(invalid_address(network, address)),
        _ => Err(HandshakeError::Network { found: shorten(network), address: shorten(address) }),
    }
}

/// Go plugins write `127.0.0.1:1234`; an empty host or `localhost` mean the same. Other names would have
/// to be resolved, which a line parser does not do.
fn parse_tcp(address: &str) -> Option<SocketAddr> {
    let local = |host: &str| host.is_empty() || host == "localhost";
    match address.rsplit_once(':') {
        Some((host, port)) if local(host) => format!("127.0.0.1:{port}").parse().ok(),
        _ => address.parse().ok(),
    }
}

fn parse_protocol(field: Option<&str>) -> Result<Protocol, HandshakeError> {
    match field {
        None | Some("netrpc") => Ok(Protocol::NetRpc),
        Some("grpc") => Ok(Protocol::Grpc),
        Some(other) => Err(HandshakeError::Protocol { found: shorten(other) }),
    }
}

/// Very old plugins put unrelated data here, so what is too short to be a certificate is none.
fn parse_certificate(field: &str) -> Result<Option<Vec<u8>>, HandshakeError> {
    if field.len() <= MIN_CERTIFICATE {
        return Ok(None);
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&STANDARD, config).decode(field);
    decoded.map(Some).map_err(|_| HandshakeError::Certificate { length: field.len() })
}

/// What is no number is passed over: it may be what a later version of go-plugin puts here.
fn versions(field: &str) -> Vec<i32> {
    field.split(',').filter_map(number).take(MAX_VERSIONS).collect()
}

fn invalid_address(network: &str, address: &str) -> HandshakeError {
    HandshakeError::Address { network: network.to_owned(), found: shorten(address) }
}

fn number(field: &str) -> Option<i32> {
    field.parse().ok()
}

/// Go's spellings of a truth value.
pub(super) fn boolean(field: &str) -> Option<bool> {
    match field {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Quotes no more of a plugin's output than a person wants to read.
fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The longest first line a host reads, as in Go.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// What the ninth field says, if anything.
const CONFORMS: &str = "conforms";
const CORE_VERSION: i32 = 1;
const MIN_CERTIFICATE: usize = 50;
const MAX_QUOTE: usize = 200;
/// More than a person wants to read.
const MAX_VERSIONS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Announcement, HandshakeError> {
        line.parse()
    }

    fn unix(path: &str) -> Address {
        Address::Unix(PathBuf::from(path))
    }

    #[test]
    fn reads_what_a_current_go_plugin_writes() {
        let announcement = parse("1|1|unix|/tmp/plugin3414874462|grpc|\n").unwrap();
        assert_eq!(announcement, Announcement::new(1, unix("/tmp/plugin3414874462")));
    }

    /// Recorded of the Go peers of the fixtures.
    #[test]
    fn what_real_plugins_wrote_is_read_and_written_equal() {
        let recorded = include_str!("../../tests/golden/go_handshakes.txt");
        let lines: Vec<_> = recorded.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), 7);
        for line in lines {
            let announcement = parse(line).unwrap();
            assert_eq!((announcement.version, announcement.protocol), (1, Protocol::Grpc));
            assert_eq!(announcement.to_string(), line);
        }
    }

    #[test]
    fn four_fields_mean_net_rpc() {
        let announcement = parse("1|+04|tcp|127.0.0.1:1234").unwrap();
        assert_eq!(announcement.protocol, Protocol::NetRpc);
        assert_eq!(announcement.version, 4);
        assert_eq!(announcement.address, Address::Tcp("127.0.0.1:1234".parse().unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn every_line_is_read_or_refused(line: String) {
            let _read = parse(&line);
            let _read = parse(&format!("1|1|{line}"));
        }

        #[test]
        fn what_is_written_is_read(version: i32, name in "/[a-z0-9/]{1,90}", der: Option<[u8; 40]>) {
            let mut announcement = Announcement::new(version, unix(&name));
            announcement.certificate = der.map(|der| der.to_vec());
            assert_eq!(parse(&announcement.to_string()), Ok(announcement));
        }
    }

    #[test]
    fn an_empty_tcp_host_is_this_machine() {
        let local = Address::Tcp("127.0.0.1:77".parse().unwrap());
        assert_eq!(parse("1|1|tcp|:77|grpc").unwrap().address, local);
        assert_eq!(parse("1|1|tcp|localhost:77|grpc").unwrap().address, local);
    }

    #[test]
    fn certificates_are_read_with_and_without_padding() {
        let der = vec![7; 100];
        let mut announcement = Announcement::new(3, unix("/s"));
        announcement.certificate = Some(der);
        let line = announcement.to_string();

        assert!(!line.ends_with('='));
        assert_eq!(parse(&line).unwrap(), announcement);
        assert_eq!(parse(&format!("{line}==")).unwrap(), announcement);
        assert_eq!(parse("1|1|unix|/s|grpc|short!").unwrap().certificate, None);
        let broken = format!("1|1|unix|/s|grpc|{}", "!".repeat(51));
        assert_eq!(parse(&broken), Err(HandshakeError::Certificate { length: 51 }));
    }

    #[test]
    fn the_seventh_field_is_written_only_when_set() {
        let mut announcement = Announcement::new(1, unix("/s"));
        assert_eq!(announcement.to_string(), "1|1|unix|/s|grpc|");
        announcement.multiplexing = Some(false);
        assert_eq!(announcement.to_string(), "1|1|unix|/s|grpc||false");
        assert_eq!(parse("1|1|unix|/s|grpc||true|future").unwrap().multiplexing, Some(true));
    }

    #[test]
    fn the_eighth_field_is_written_only_when_the_versions_disagree() {
        let mut announcement = Announcement::new(3, unix("/s"));
        announcement.versions = vec![3, 4, 5];
        assert_eq!(announcement.to_string(), "1|3|unix|/s|grpc|||3,4,5");
        assert_eq!(parse(&announcement.to_string()).unwrap(), announcement);
        announcement.multiplexing = Some(true);
        assert_eq!(announcement.to_string(), "1|3|unix|/s|grpc||true|3,4,5");
        assert_eq!(parse(&announcement.to_string()).unwrap(), announcement);
        assert!(parse("1|3|unix|/s|grpc||true|future").unwrap().versions.is_empty());
        let many = format!("1|3|unix|/s|grpc|||{}", "1,".repeat(10_000));
        assert_eq!(parse(&many).unwrap().versions.len(), MAX_VERSIONS);
    }

    #[test]
    fn the_ninth_field_is_written_only_when_the_plugin_conforms() {
        let mut announcement = Announcement::new(1, unix("/s"));
        announcement.conforms = true;
        assert_eq!(announcement.to_string(), "1|1|unix|/s|grpc||||conforms");
        assert_eq!(parse(&announcement.to_string()).unwrap(), announcement);
        announcement.multiplexing = Some(false);
        assert_eq!(parse(&announcement.to_string()).unwrap(), announcement);
        assert!(!parse("1|1|unix|/s|grpc||||future").unwrap().conforms);
    }

    #[test]
    fn errors_name_what_was_found() {
        let message = |line: &str| parse(line).unwrap_err().to_string();
        assert!(message("hello").contains("found `hello`"));
        assert!(message("").contains("found ``"));
        assert!(message("x|1|unix|/s").contains("core protocol version, found `x`"));
        assert!(message("2|1|unix|/s").contains("core protocol version `1`, found `2`"));
        assert!(message("1|y|unix|/s").contains("protocol version, found `y`"));
        assert!(message("1|1|udp|/s").contains("found `udp` with address `/s`"));
        assert!(message("1|1|unix|").contains("network `unix`, found ``"));
        assert!(message("1|1|tcp|nowhere").contains("network `tcp`, found `nowhere`"));
        assert!(message("1|1|unix|/s|http").contains("found `http`"));
    }

    #[test]
    fn long_output_is_quoted_in_short() {
        let line = "ä".repeat(5000);
        let HandshakeError::Unrecognised { line } = parse(&line).unwrap_err() else { panic!() };
        assert!(line.chars().count() < 210);
    }
}

//! Knows the environment variables of the handshake: what a host sets, what a plugin reads.

use std::ffi::{OsStr, OsString};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::Handshake;
use super::line::boolean;
use crate::fingerprint::INTERFACE;
use crate::host::{CONFIG, NAME, OFFERS};
use crate::saving::SAVED;
use crate::serve::DETACHED;

/// What a host offers to a plugin through its environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostOffer<'a> {
    /// The cookie.
    pub(crate) handshake: &'a Handshake,
    /// The versions of the application's protocol that the host speaks.
    pub(crate) versions: &'a [i32],
    /// The host's certificate as PEM, under AutoMTLS.
    pub(crate) certificate: Option<&'a str>,
    /// Where the plugin shall put its sockets; among the temporary files of its system, if `None`.
    pub(crate) socket_directory: Option<&'a Path>,
    /// The group that may connect to them.
    pub(crate) socket_group: Option<&'a str>,
    /// The ports that a plugin on TCP may take.
    pub(crate) ports: &'a RangeInclusive<u16>,
    /// Whether the plugin shall use one socket for all connections.
    pub(crate) multiplexing: Multiplexing,
}

/// Whether all connections of a plugin are streams over its one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Multiplexing {
    /// Each is a socket.
    Off,
    /// They are.
    On,
}

impl HostOffer<'_> {
    /// The variables to set, each with its value.
    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        let versions = self.versions.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let mut variables = vec![
            (OsString::from(&self.handshake.cookie_key), OsString::from(&self.handshake.cookie_value)),
            (MIN_PORT.into(), self.ports.start().to_string().into()),
            (MAX_PORT.into(), self.ports.end().to_string().into()),
            (PROTOCOL_VERSIONS.into(), versions.into()),
        ];
        if let Some(directory) = self.socket_directory {
            variables.push((SOCKET_DIRECTORY.into(), directory.into()));
        }
        if let Some(group) = self.socket_group {
            variables.push((SOCKET_GROUP.into(), group.into()));
        }
        if self.multiplexing == Multiplexing::On {
            variables.push((MULTIPLEX.into(), "true".into()));
        }
        if let Some(certificate) = self.certificate {
            variables.push((CLIENT_CERTIFICATE.into(), certificate.into()));
        }
        variables
    }
}

/// What a plugin found in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginOffer {
    /// The versions of the application's protocol the host speaks; empty if it is too old to say.
    pub(crate) versions: Vec<i32>,
    /// The host's certificate as PEM: it asks for AutoMTLS.
    pub(crate) certificate: Option<String>,
    /// Where the host wants the sockets.
    pub(crate) socket_directory: Option<PathBuf>,
    /// The group that may connect to the sockets, by its number or name.
    pub(crate) socket_group: Option<String>,
    /// The ports that a plugin on TCP may take; any, if the host names none.
    pub(crate) ports: RangeInclusive<u16>,
    /// Whether the host asked about multiplexing, whatever it asked: the line then has a seventh field.
    pub(crate) multiplexing: MultiplexingOffer,
}

/// What the host said about broker multiplexing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum MultiplexingOffer {
    /// The variable was set, but not to a true value.
    Asked,
    /// The host wants it.
    Wanted,
    /// The variable was absent or empty: a seventh field would break older hosts.
    #[default]
    Silent,
}

impl MultiplexingOffer {
    /// What a plugin writes into the seventh field.
    pub(crate) fn answer(self) -> Option<bool> {
        match self {
            Self::Asked => Some(false),
            Self::Wanted => Some(true),
            Self::Silent => None,
        }
    }
}

impl PluginOffer {
    /// Reads the offer through `lookup`; also says which entries of the version list made no sense.
    pub(crate) fn read(lookup: impl Fn(&str) -> Option<OsString>) -> (Self, Vec<InvalidOffer>) {
        let text = |key: &str| lookup(key).and_then(|value| value.into_string().ok());
        let filled = |value: &String| !value.is_empty();
        let list = text(PROTOCOL_VERSIONS).unwrap_or_default();
        let (versions, invalid) = parse_versions(&list);
        let offer = Self {
            versions,
            certificate: text(CLIENT_CERTIFICATE).filter(filled),
            socket_group: text(SOCKET_GROUP).filter(filled),
            ports: port(text(MIN_PORT))..=port(text(MAX_PORT)),
            socket_directory: lookup(SOCKET_DIRECTORY).filter(|path| !path.is_empty()).map(PathBuf::from),
            multiplexing: match lookup(MULTIPLEX) {
                Some(value) if value.to_str().and_then(boolean) == Some(true) => MultiplexingOffer::Wanted,
                Some(value) if !value.is_empty() => MultiplexingOffer::Asked,
                _ => MultiplexingOffer::Silent,
            },
        };
        (offer, invalid)
    }
}

/// An entry of the host's version list is no number; the plugin skips it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number in `PLUGIN_PROTOCOL_VERSIONS`, found `{entry}`")]
pub(crate) struct InvalidOffer {
    entry: String,
}

/// Whether a child may inherit the variable `key`.
///
/// A plugin that is itself a host would otherwise pass on what its own host told it: its child would
/// turn on a TLS that nobody speaks.
pub(crate) fn inherited(key: &OsStr) -> bool {
    !CONTROL.iter().any(|control| key == OsStr::new(control))
}

/// A port that is not set is one of the system's choice.
fn port(text: Option<String>) -> u16 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn parse_versions(list: &str) -> (Vec<i32>, Vec<InvalidOffer>) {
    let mut versions = Vec::new();
    let mut invalid = Vec::new();
    for entry in list.split(',').filter(|entry| !entry.is_empty()) {
        match entry.parse() {
            Ok(version) => versions.push(version),
            Err(_) => invalid.push(InvalidOffer { entry: entry.to_owned() }),
        }
    }
    (versions, invalid)
}

const CLIENT_CERTIFICATE: &str = "PLUGIN_CLIENT_CERT";
const MAX_PORT: &str = "PLUGIN_MAX_PORT";
const MIN_PORT: &str = "PLUGIN_MIN_PORT";
const MULTIPLEX: &str = "PLUGIN_MULTIPLEX_GRPC";
const PROTOCOL_VERSIONS: &str = "PLUGIN_PROTOCOL_VERSIONS";
const SOCKET_DIRECTORY: &str = "PLUGIN_UNIX_SOCKET_DIR";
const SOCKET_GROUP: &str = "PLUGIN_UNIX_SOCKET_GROUP";

const CONTROL: [&str; 13] = [
    CLIENT_CERTIFICATE,
    MAX_PORT,
    MIN_PORT,
    MULTIPLEX,
    PROTOCOL_VERSIONS,
    SOCKET_DIRECTORY,
    SOCKET_GROUP,
    NAME,
    CONFIG,
    OFFERS,
    INTERFACE,
    SAVED,
    DETACHED,
];

/// The ports that a plugin on TCP may take if the host does not care, as in Go.
pub(crate) const PORTS: RangeInclusive<u16> = 10_000..=25_000;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> (PluginOffer, Vec<InvalidOffer>) {
        let map: HashMap<_, _> = variables.iter().copied().collect();
        PluginOffer::read(|key| map.get(key).map(OsString::from))
    }

    #[test]
    fn a_plugin_reads_what_a_host_sets() {
        let handshake = Handshake::new(7, "KEY", "value");
        let host = HostOffer {
            handshake: &handshake,
            versions: &[7, 3],
            certificate: Some("PEM"),
            socket_directory: Some(Path::new("/run/x")),
            socket_group: Some("wheel"),
            ports: &PORTS,
            multiplexing: Multiplexing::Off,
        };
        let map: HashMap<_, _> = host.variables().into_iter().collect();
        let (offer, invalid) = PluginOffer::read(|key| map.get(OsStr::new(key)).cloned());

        assert_eq!(invalid, []);
        assert_eq!(offer.versions, [7, 3]);
        assert_eq!(offer.certificate.as_deref(), Some("PEM"));
        assert_eq!(offer.socket_directory.as_deref(), Some(Path::new("/run/x")));
        assert_eq!((offer.socket_group.as_deref(), offer.ports), (Some("wheel"), PORTS));
        assert_eq!(offer.multiplexing, MultiplexingOffer::Silent);
        assert_eq!(map[OsStr::new("KEY")], "value");
    }

    #[test]
    fn entries_that_are_no_numbers_are_reported_and_skipped() {
        let (offer, invalid) = read(&[(PROTOCOL_VERSIONS, "1, 2,x,3")]);
        assert_eq!(offer.versions, [1, 3]);
        let entries: Vec<_> = invalid.iter().map(|invalid| invalid.entry.as_str()).collect();
        assert_eq!(entries, [" 2", "x"]);
    }

    #[test]
    fn empty_variables_count_as_absent() {
        let (offer, _) = read(&[(CLIENT_CERTIFICATE, ""), (SOCKET_DIRECTORY, ""), (MULTIPLEX, "")]);
        assert_eq!((offer.certificate, offer.socket_directory), (None, None));
        assert_eq!((offer.multiplexing, offer.ports), (MultiplexingOffer::Silent, 0..=0));
    }

    #[test]
    fn any_text_in_the_multiplexing_variable_asks_for_the_field() {
        let (offer, _) = read(&[(MULTIPLEX, "false")]);
        assert_eq!(offer.multiplexing, MultiplexingOffer::Asked);
        assert_eq!(offer.multiplexing.answer(), Some(false));
        let (offer, _) = read(&[(MULTIPLEX, "T")]);
        assert_eq!(offer.multiplexing.answer(), Some(true));
    }

    #[test]
    fn control_variables_are_not_inherited() {
        assert!(!inherited(OsStr::new("PLUGIN_CLIENT_CERT")));
        assert!(inherited(OsStr::new("PLUGIN_OF_MINE")));
    }
}

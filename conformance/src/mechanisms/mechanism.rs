//! The mechanisms that there are.

use jackfield::Candidate;
use jackfield::process::ProcessPlugin;
use jackfield::stdio::StdioCodec;

use crate::backends;

/// A way of plugging something in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Linked,
    Native,
    Grpc,
    Mtls,
    Multiplexed,
    NetRpc,
    Gob,
    Json,
}

impl Mechanism {
    pub(crate) const ALL: [Self; 8] = [
        Self::Linked,
        Self::Native,
        Self::Grpc,
        Self::Mtls,
        Self::Multiplexed,
        Self::NetRpc,
        Self::Gob,
        Self::Json,
    ];

    /// What the list of what is lacking calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Native => "native",
            Self::Grpc => "process",
            Self::Mtls => "process_mtls",
            Self::Multiplexed => "process_multiplexed",
            Self::NetRpc => "netrpc",
            Self::Gob => "gob",
            Self::Json => "json",
        }
    }

    /// What people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Native => "native",
            Self::Grpc => "gRPC",
            Self::Mtls => "gRPC, AutoMTLS",
            Self::Multiplexed => "gRPC, multiplexed",
            Self::NetRpc => "net/rpc",
            Self::Gob => "stdio, gobs",
            Self::Json => "stdio, JSON",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// A fixture, as this mechanism loads it.
    pub(crate) fn candidate(self, fixture: &'static str) -> Box<dyn Candidate> {
        match self {
            Self::Linked => backends::in_this_program(fixture),
            Self::Native => backends::library(fixture),
            Self::Gob | Self::Json => {
                let (wire, codec) = self.codec();
                backends::talking(fixture, wire, codec)
            }
            _ => backends::program(fixture, |plugin| self.configure(plugin, fixture)),
        }
    }

    /// How a program with a handshake is to talk.
    pub(crate) fn configure(self, plugin: ProcessPlugin, fixture: &str) -> ProcessPlugin {
        match self {
            Self::Mtls => plugin.auto_mtls(),
            Self::Multiplexed => plugin.multiplex(),
            Self::NetRpc => backends::speaking_net_rpc(plugin, fixture),
            _ => plugin,
        }
    }

    /// How a program talks over its standard input and output, and what the fixtures call it.
    pub(crate) fn codec(self) -> (&'static str, StdioCodec) {
        match self {
            Self::Json => ("json", StdioCodec::Json),
            _ => ("gob", StdioCodec::Gob),
        }
    }
}

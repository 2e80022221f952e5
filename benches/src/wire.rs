//! The wires over which the measured plugin can be asked.

use std::ffi::OsStr;

use anyhow::bail;
use jackfield::Candidate;
use jackfield::netrpc::NetRpc;
use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
use jackfield::stdio::{StdioCodec, StdioPlugin};

/// A wire over which `measure-grpc-plugin`, or its peer in Go, can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wire {
    /// Gobs over stdin and stdout.
    Gob,
    /// gRPC, over one connection.
    Grpc,
    /// Gobs, with the pipes on the caller's runtime.
    GobOnRuntime,
    /// JSON over stdin and stdout.
    Json,
    /// JSON, with the pipes on the caller's runtime.
    JsonOnRuntime,
    /// gRPC under AutoMTLS.
    Mtls,
    /// gRPC, with everything over one connection.
    Multiplexed,
    /// go-plugin's older protocol.
    NetRpc,
    /// go-plugin's older protocol, over a connection on the caller's runtime.
    NetRpcOnRuntime,
    /// gRPC, over a connection on the caller's runtime.
    PerRuntime,
}

impl Wire {
    /// The wire that a switch such as `-netrpc` names.
    ///
    /// # Errors
    ///
    /// It names none.
    pub fn of_switch(switch: &str) -> anyhow::Result<Self> {
        Ok(match switch {
            "-automtls" => Self::Mtls,
            "-gob" => Self::Gob,
            "-gob-on-runtime" => Self::GobOnRuntime,
            "-grpc" => Self::Grpc,
            "-json" => Self::Json,
            "-json-on-runtime" => Self::JsonOnRuntime,
            "-multiplexed" => Self::Multiplexed,
            "-netrpc" => Self::NetRpc,
            "-netrpc-on-runtime" => Self::NetRpcOnRuntime,
            "-per-runtime" => Self::PerRuntime,
            other => bail!("unknown switch `{other}`"),
        })
    }

    /// The plugin at this path, over this wire.
    pub fn candidate(self, path: &OsStr, backend: &ProcessBackend) -> Box<dyn Candidate> {
        let process = || {
            let handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying");
            ProcessPlugin::new(path).handshake(handshake).backend(backend)
        };
        let net_rpc = || NetRpc::new("kv").map_arguments("Put");
        let stdio = |wire, codec| StdioPlugin::new(path).args([wire]).codec(codec).backend(backend);
        match self {
            Self::Gob => Box::new(stdio("gob", StdioCodec::Gob)),
            Self::GobOnRuntime => Box::new(stdio("gob", StdioCodec::Gob).connection_on_runtime()),
            Self::Grpc => Box::new(process()),
            Self::Json => Box::new(stdio("json", StdioCodec::Json)),
            Self::JsonOnRuntime => Box::new(stdio("json", StdioCodec::Json).connection_on_runtime()),
            Self::Mtls => Box::new(process().auto_mtls()),
            Self::Multiplexed => Box::new(process().multiplex()),
            Self::NetRpc => Box::new(process().args(["netrpc"]).net_rpc(net_rpc())),
            Self::NetRpcOnRuntime => {
                Box::new(process().args(["netrpc"]).net_rpc(net_rpc().connection_on_runtime()))
            }
            Self::PerRuntime => Box::new(process().connection_per_runtime()),
        }
    }
}

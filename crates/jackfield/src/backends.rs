//! The backends that are compiled in: the only file that names a wire.

/// Child processes, wire-compatible with hashicorp/go-plugin.
#[cfg(feature = "process")]
pub mod process {
    pub use jackfield_process::{
        Address, BackendError, Broker, BrokerError, Bubblewrap, Death, GrpcChannel, Handshake,
        HandshakeError, Owner, ProcessBackend, ProcessPlugin, Program, Reattach, Runner, Running, Served,
        StartError, Stream, TlsConfig,
    };
}

/// Go's net/rpc: plugins that answer over go-plugin's older protocol, and a client and a server of its own.
#[cfg(feature = "netrpc")]
pub mod netrpc {
    pub use jackfield_process::netrpc::{
        BodyError, Client, Codec, Connection, FromBody, GobError, Gobs, Json, JsonError, NetRpc,
        ProtocolError, Refusal, RpcError, Server, ToBody, Unfit, connect, connect_halves,
    };
}

/// Plugins that talk over their standard input and output.
#[cfg(feature = "stdio")]
pub mod stdio {
    pub use jackfield_process::stdio::{Consumer, StdioCodec, StdioPlugin, consumer, provide};
}

/// Shared libraries in this process.
#[cfg(feature = "native")]
pub mod native {
    pub use jackfield_native::{
        CHeaderError, Digest, Image, NativeBackend, NativeError, NativePlugin, Step, c_header,
        pinned_libraries,
    };
}

#[cfg(feature = "native")]
#[doc = include_str!("../../../docs/coming-from-go-plugin-package.md")]
pub mod symbols {
    pub use jackfield_native::symbols::{
        AssertError, Channel, Closed, Downcast, DowncastError, Event, Func, Function, LookupError, Object,
        OpenError, Pinned, Plugin, Portable, Receiving, Select, Sending, Signature, Symbol, Var, Variable,
    };
}

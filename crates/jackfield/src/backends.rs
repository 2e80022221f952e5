//! The backends that are compiled in: the only file that names a wire.

/// Child processes, wire-compatible with hashicorp/go-plugin.
#[cfg(feature = "process")]
pub mod process {
    pub use jackfield_process::{
        Address, AttachError, AttachedPlugin, BackendError, Broker, BrokerError, Bubblewrap, Death,
        Executable, GrpcChannel, Handshake, HandshakeError, Owner, ProcessBackend, ProcessPlugin, Program,
        Reattach, Runner, Running, Served, SpawnError, StartError, Stream, TlsConfig,
    };

    /// How a host talks to a plugin that answers over net/rpc.
    #[cfg(feature = "netrpc")]
    pub use jackfield_process::netrpc::NetRpc;
    /// Plugins that talk over their standard input and output.
    #[cfg(feature = "stdio")]
    pub use jackfield_process::stdio::{StdioCodec, StdioPlugin};
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
        CHeaderError, Digest, Image, NativeBackend, NativeError, NativePlugin, c_header, pinned_libraries,
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

/// How programs are loaded that a manifest describes.
#[cfg(feature = "process")]
mod described {
    use jackfield_core::Candidate;
    use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};

    use crate::Directory;
    use crate::discovery::manifest::{Manifest, NetRpc, Wire};

    impl Directory {
        /// Loads on `backend` what manifests (`NAME.plugin.toml`) describe: programs that need more than their path to
        /// become plugins, and scripts. Whoever may write into the directory may then run any program.
        ///
        #[doc = include_str!("../../../docs/manifest.md")]
        pub fn manifests(self, backend: &ProcessBackend) -> Self {
            let backend = backend.clone();
            self.offer_manifests(move |manifest, plugin| candidate(manifest, plugin, &backend))
        }
    }

    fn candidate(
        manifest: &Manifest,
        plugin: &str,
        backend: &ProcessBackend,
    ) -> Result<Box<dyn Candidate>, String> {
        let Wire::Process { handshake, net_rpc, is_auto_mtls, liveness, sha256 } = &manifest.wire else {
            return talking(manifest, backend);
        };
        let mut program = ProcessPlugin::new(&manifest.command)
            .args(&manifest.args)
            .current_dir(&manifest.directory)
            .backend(backend);
        for (key, value) in &manifest.env {
            program = program.env(key, value);
        }
        if let Some(bytes) = manifest.max_memory {
            program = program.memory_limit(bytes);
        }
        if let Some(handshake) = handshake.clone() {
            let (key, value) = (handshake.cookie_key, handshake.cookie_value);
            program = program.handshake(Handshake::new(handshake.version, key, value));
        }
        if *is_auto_mtls {
            program = program.auto_mtls();
        }
        if let Some(patience) = liveness {
            program = program.liveness(*patience);
        }
        if let Some(digest) = sha256 {
            program = program.sha256(*digest);
        }
        if let Some(options) = net_rpc {
            program = with_net_rpc(program, options, plugin)?;
        }
        Ok(Box::new(program))
    }

    #[cfg(feature = "netrpc")]
    fn with_net_rpc(program: ProcessPlugin, options: &NetRpc, plugin: &str) -> Result<ProcessPlugin, String> {
        let name = options.dispense.as_deref().unwrap_or(plugin);
        let mut net_rpc = jackfield_process::netrpc::NetRpc::new(name);
        if options.allows_lacking {
            net_rpc = net_rpc.allow_lacking();
        }
        let map = |net_rpc: jackfield_process::netrpc::NetRpc, method| net_rpc.map_arguments(method);
        Ok(program.net_rpc(options.map_arguments.iter().fold(net_rpc, map)))
    }

    #[cfg(not(feature = "netrpc"))]
    fn with_net_rpc(_: ProcessPlugin, _: &NetRpc, _: &str) -> Result<ProcessPlugin, String> {
        Err("`protocol`: this host was built without net/rpc\n(hint: the feature `netrpc` adds it)"
            .to_owned())
    }

    #[cfg(feature = "stdio")]
    fn talking(manifest: &Manifest, backend: &ProcessBackend) -> Result<Box<dyn Candidate>, String> {
        use jackfield_process::stdio::{StdioCodec, StdioPlugin};

        use crate::discovery::manifest::Codec;

        let Wire::Stdio { codec, map_arguments, hands_over, allows_lacking } = &manifest.wire else {
            return Err("`kind`: expected `stdio`".to_owned());
        };
        let codec = match codec {
            Codec::Gob => StdioCodec::Gob,
            Codec::Json => StdioCodec::Json,
            Codec::Json2 => StdioCodec::Json2,
        };
        let mut program = StdioPlugin::new(&manifest.command)
            .args(&manifest.args)
            .current_dir(&manifest.directory)
            .codec(codec)
            .backend(backend);
        for (key, value) in &manifest.env {
            program = program.env(key, value);
        }
        if let Some(bytes) = manifest.max_memory {
            program = program.memory_limit(bytes);
        }
        if *hands_over {
            program = program.hands_over();
        }
        if *allows_lacking {
            program = program.allow_lacking();
        }
        let map = |program: StdioPlugin, method| program.map_arguments(method);
        Ok(Box::new(map_arguments.iter().fold(program, map)))
    }

    #[cfg(not(feature = "stdio"))]
    fn talking(_: &Manifest, _: &ProcessBackend) -> Result<Box<dyn Candidate>, String> {
        Err("`kind`: this host was built without plugins over standard input and output\n\
             (hint: the feature `stdio` adds them)"
            .to_owned())
    }
}

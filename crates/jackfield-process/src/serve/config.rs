//! What a plugin's program serves: sets of services, one for each version of the application's protocol.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use jackfield_core::Plugin;
use tonic::service::Routes;

use crate::busy_poll;
use crate::grpc::{Broker, Limit};
use crate::handshake::Handshake;
use crate::tls::TlsConfig;

/// What a plugin's program needs to know to be one.
///
/// A plugin that must go on working under older hosts serves several versions; the highest that the host speaks
/// too is what the two talk, and only its set is made.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use jackfield_process::{Handshake, ServeConfig, Services};
/// use tonic::service::Routes;
///
/// fn main() -> ExitCode {
///     ServeConfig::new(Handshake::new(3, "KV_PLUGIN", "hello"))
///         .services(|broker| Services::from(Routes::default()))
///         .serve()
/// }
/// ```
#[must_use = "nothing is served before `serve`"]
pub struct ServeConfig {
    pub(super) handshake: Handshake,
    pub(super) sets: BTreeMap<i32, Set>,
    pub(super) tls: Option<TlsConfig>,
    pub(super) network: Network,
    pub(super) limit: Limit,
    pub(super) busy_poll: Duration,
}

/// What kind of socket a plugin listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Tcp,
    Unix,
}

impl ServeConfig {
    /// Serves nothing yet, with this handshake.
    pub fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            sets: BTreeMap::new(),
            tls: None,
            network: Network::Unix,
            limit: Limit::default(),
            busy_poll: busy_poll::LIMIT,
        }
    }

    /// Serves a plugin's interfaces in the handshake's version.
    pub fn plugin(self, plugin: &'static Plugin) -> Self {
        let version = self.handshake.protocol_version;
        self.plugin_in(version, plugin)
    }

    /// Serves a plugin's interfaces in `version`.
    pub fn plugin_in(mut self, version: i32, plugin: &'static Plugin) -> Self {
        self.set(version).plugin = Some(plugin);
        self
    }

    /// Serves gRPC services of one's own in the handshake's version.
    ///
    /// They are made when the host's version is known. The broker reaches what the host serves, and lets the host
    /// reach more than these. Of the wire's own services (`grpc.health.v1.Health`, reflection, `plugin.GRPC…`) a plugin
    /// has one each, which goes before one of the same name among these; an interface may replace them.
    pub fn services(self, make: impl FnOnce(&Broker) -> Services + Send + 'static) -> Self {
        let version = self.handshake.protocol_version;
        self.services_in(version, make)
    }

    /// Serves gRPC services of one's own in `version`.
    pub fn services_in(
        mut self,
        version: i32,
        make: impl FnOnce(&Broker) -> Services + Send + 'static,
    ) -> Self {
        self.set(version).services = Some(Box::new(make));
        self
    }

    /// Serves a plugin's interfaces in `version` over go-plugin's older protocol, under `name` in its set of plugins.
    ///
    /// So one program serves old hosts over net/rpc in one version, and new ones over gRPC in another. A version is
    /// served over one or the other: this wins.
    #[cfg(feature = "netrpc")]
    pub fn net_rpc_in(mut self, version: i32, name: impl Into<String>, plugin: &'static Plugin) -> Self {
        self.set(version).net_rpc = Some((name.into(), plugin));
        self
    }

    /// Sets for how long the plugin's thread looks for the next call before it sleeps, where calls follow each other
    /// quickly; 250 µs otherwise. Zero lets it sleep at once. See
    /// [`ProcessBackend::busy_poll`](crate::ProcessBackend::busy_poll).
    pub fn busy_poll(mut self, limit: Duration) -> Self {
        self.busy_poll = limit;
        self
    }

    /// Sets how many bytes a message of the plugin's interfaces may have, sent or received; 2 GiB otherwise. Of a stream,
    /// that is each item.
    ///
    /// A host of ours hears of a larger one as [`TooLarge`](jackfield_core::CallError::TooLarge), any other as
    /// `RESOURCE_EXHAUSTED`; its other calls go on. The servers of [`services`](Self::services) have limits of their own.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.limit = Limit::new(bytes);
        self
    }

    /// Brings its own TLS. It then does without AutoMTLS, so the host must bring the other half of it.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Listens on TCP, on a port of the range that the host names, and on this machine only. Any process of this
    /// machine can then connect, so the host should ask for AutoMTLS.
    pub fn tcp(mut self) -> Self {
        self.network = Network::Tcp;
        self
    }

    /// Serves until the host asks the plugin to end, or is gone: all of `main`.
    ///
    /// It owns the process. It takes over the standard output, whose first line belongs to the handshake; what the
    /// program prints afterwards reaches the host too, as does what it printed before without a line feed, but a whole
    /// line that is printed *before* breaks the handshake. It ignores `SIGINT`, which a terminal sends to the
    /// host and its plugins alike; at `SIGTERM` it ends as if the host had asked for it, or after ten seconds if it is too
    /// busy for that. If no subscriber of `tracing` is installed, it installs [`log::layer`](crate::log::layer).
    ///
    /// Run by hand, the program says that it is a plugin, and ends with exit code 1.
    pub fn serve(self) -> ExitCode {
        super::program::run(self)
    }

    fn set(&mut self, version: i32) -> &mut Set {
        self.sets.entry(version).or_default()
    }
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.sets.keys().collect();
        f.debug_struct("ServeConfig")
            .field("handshake", &self.handshake)
            .field("versions", &versions)
            .finish_non_exhaustive()
    }
}

/// gRPC services made with `tonic`, and how they describe themselves.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Services {
    /// The services.
    pub routes: Routes,
    /// Their descriptors, each an encoded `FileDescriptorSet`, for reflection.
    pub descriptors: Vec<Vec<u8>>,
}

impl Services {
    /// Adds descriptors, an encoded `FileDescriptorSet`.
    #[must_use]
    pub fn described_by(mut self, descriptors: impl Into<Vec<u8>>) -> Self {
        self.descriptors.push(descriptors.into());
        self
    }
}

impl From<Routes> for Services {
    fn from(routes: Routes) -> Self {
        Self { routes, descriptors: Vec::new() }
    }
}

/// What is served in one version.
#[derive(Default)]
pub(super) struct Set {
    pub(super) plugin: Option<&'static Plugin>,
    #[expect(clippy::type_complexity, reason = "a name would say no more than the type")]
    pub(super) services: Option<Box<dyn FnOnce(&Broker) -> Services + Send>>,
    #[cfg(feature = "netrpc")]
    pub(super) net_rpc: Option<(String, &'static Plugin)>,
}

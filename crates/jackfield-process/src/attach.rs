//! Attaches a host to a plugin that runs already.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{BoxFuture, Candidate, Instance, Load, LoadError, LoadErrorKind, Step};
use tokio::time::timeout;

use crate::backend::{ProcessBackend, Shared};
use crate::channel::Link;
#[cfg(feature = "netrpc")]
use crate::child::PendingSockets;
use crate::child::{Bond, ChildHandle, ProcessHandle, attend, listens};
use crate::error::StartError;
use crate::grpc::{ConnectError, open};
use crate::handshake::{Address, Protocol};
use crate::health::examine;
use crate::instance::ProcessInstance;
#[cfg(feature = "netrpc")]
use crate::netrpc::{NetRpc, binding::known, plugin};
use crate::printed::{Printed, Stream};
use crate::reattach::{Owner, Reattach};
use crate::running::Running;
use crate::serve::Place;
#[cfg(feature = "netrpc")]
use crate::start::Announced;
use crate::start::{Started, Wires, connect};
use crate::tls::{TlsConfig, TlsError};

impl Reattach {
    /// Attaches this host to the plugin, for calls that generated clients of `tonic` make.
    ///
    /// The plugin goes on when what this returns is dropped; only [`stop`](Running::stop) ends it. Its log stays with
    /// whoever started it; what it prints comes here from now on.
    ///
    /// Its process is killed, if it does not end when it is asked, only if it is known to be the one that listens on the
    /// socket: the number that this holds may be another's by now.
    ///
    /// For calls of a trait, and for plugins over net/rpc, see [`plugin`](Self::plugin).
    ///
    /// # Errors
    /// If no plugin listens there, or another process than the one with this number does.
    pub async fn attach(
        &self,
        backend: &ProcessBackend,
        name: impl Into<String>,
    ) -> Result<Running, AttachError> {
        let shared = Arc::clone(backend.shared());
        let (owner, reattach, name) = (Arc::clone(&shared), self.clone(), name.into());
        let attaching = owner.io.start_task(async move {
            let started = reattach.connect(&shared, &name, Printed::default(), None).await;
            started.map(|started| (started, shared))
        });
        let (started, shared) = attaching.await.map_err(|_| AttachError::NoThread)??;
        Ok(Running::new(Link { started, shared, lanes: None }))
    }

    /// The plugin as something that is loaded, and so can be called by its trait: what starts nothing, but attaches this
    /// host.
    ///
    /// It was constructed by whoever started it: it hears nothing of the name and configuration of this load, nor of what
    /// this host offers. Unloading it ends it, unless it is [somebody's](Owner::Somebody); dropping it leaves it as it is.
    ///
    /// ```no_run
    /// # use jackfield_process::{ProcessBackend, Reattach};
    /// # fn host(text: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let backend = ProcessBackend::start()?;
    /// let plugin = text.parse::<Reattach>()?.plugin(&backend);
    /// // manager.load::<dyn Kv>("kv", &plugin)
    /// # Ok(())
    /// # }
    /// ```
    pub fn plugin(&self, backend: &ProcessBackend) -> AttachedPlugin {
        AttachedPlugin {
            reattach: self.clone(),
            backend: backend.clone(),
            printed: Printed::default(),
            tls: None,
            #[cfg(feature = "netrpc")]
            net_rpc: None,
        }
    }

    /// Must run on the I/O thread.
    async fn connect(
        &self,
        shared: &Shared,
        name: &str,
        printed: Printed,
        tls: Option<TlsConfig>,
    ) -> Result<Started, AttachError> {
        if self.protocol != Protocol::Grpc {
            return Err(AttachError::Protocol { found: self.protocol });
        }
        let (child, wires) = self.find(shared, name, tls).await?;
        let connecting = connect(shared, child, wires, printed);
        Ok(timeout(PATIENCE, connecting).await.map_err(|_| AttachError::Silent)??)
    }

    /// The plugin's process, and what leads to it.
    async fn find(
        &self,
        shared: &Shared,
        name: &str,
        tls: Option<TlsConfig>,
    ) -> Result<(ChildHandle, Wires), AttachError> {
        let process = find(self).await?;
        let bond = match self.owner {
            Owner::Host => Bond::Loose,
            Owner::Somebody => Bond::Lent,
        };
        let (child, watch) = attend(self.pid, process, bond).map_err(AttachError::Watch)?;
        shared.io.keep(watch);
        tracing::debug!(plugin = name, pid = self.pid, "attached to a plugin");
        let mut wires = Wires::attached(self, Place::of(&shared.sockets))?;
        if tls.is_some() {
            wires.target.tls = tls;
        }
        Ok((child, wires))
    }
}

/// A plugin that runs already, as something that is loaded. See [`Reattach::plugin`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AttachedPlugin {
    reattach: Reattach,
    backend: ProcessBackend,
    printed: Printed,
    tls: Option<TlsConfig>,
    #[cfg(feature = "netrpc")]
    net_rpc: Option<NetRpc>,
}

impl AttachedPlugin {
    /// Talks to it over net/rpc, if that is what it speaks.
    #[cfg(feature = "netrpc")]
    pub fn net_rpc(mut self, net_rpc: NetRpc) -> Self {
        self.net_rpc = Some(net_rpc);
        self
    }

    /// Gives what the plugin prints from now on to `take`, as [`ProcessPlugin::on_print`](crate::ProcessPlugin::on_print)
    /// does. Otherwise it becomes events of `tracing`.
    pub fn on_print(mut self, take: impl Fn(Stream, &[u8]) + Send + Sync + 'static) -> Self {
        self.printed = Printed::Function(Arc::new(take));
        self
    }

    /// Encrypts the connection with TLS of the host's own making, which nobody can write down for another host as the
    /// keys of AutoMTLS are.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    async fn load_instance(&self, load: &Load) -> Result<Box<dyn Instance>, LoadErrorKind> {
        let shared = Arc::clone(self.backend.shared());
        let (owner, this) = (Arc::clone(&shared), self.clone());
        let (name, interface) = (load.context.plugin().to_owned(), load.interface);
        #[cfg(feature = "netrpc")]
        let net_rpc = self.net_rpc.clone().map(|options| (options.home(), options));
        let task = owner.io.start_task(async move {
            #[cfg(feature = "netrpc")]
            if let (Protocol::NetRpc, Some((home, options))) = (this.reattach.protocol, net_rpc) {
                let interface = known(interface)?;
                let (child, wires) = this.reattach.find(&shared, &name, this.tls).await?;
                let wanted = plugin::Wanted { interface, printed: this.printed, offers: Vec::new(), home };
                let sockets = PendingSockets::default();
                let announced =
                    Announced { child, wires, sockets, protocol: Protocol::NetRpc, conforms: false };
                let connecting = plugin::connect(shared, announced, options, wanted);
                let instance = timeout(PATIENCE, connecting).await.map_err(|_| AttachError::Silent)??;
                return Ok(Box::new(instance) as Box<dyn Instance>);
            }
            let started = this.reattach.connect(&shared, &name, this.printed, this.tls).await?;
            let examined = examine(&started.connection, interface, PATIENCE).await;
            examined.map_err(|_| AttachError::Silent)??;
            let link = Link { started, shared, lanes: None };
            Ok(Box::new(ProcessInstance::new(link)) as Box<dyn Instance>)
        });
        task.await.map_err(|_| StartError::NoThread)?
    }
}

impl Candidate for AttachedPlugin {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async { self.load_instance(load).await.map_err(|kind| load.error(kind)) })
    }
}

impl From<AttachError> for LoadErrorKind {
    fn from(error: AttachError) -> Self {
        Self::backend("process", Step::Start, error)
    }
}

/// The plugin's process, as long as it is known; nobody else's.
async fn find(reattach: &Reattach) -> Result<Option<ProcessHandle>, AttachError> {
    let (socket, _) = open(&reattach.address).await.map_err(AttachError::NotFound)?;
    drop(socket);
    let Some(pid) = reattach.pid else { return Ok(None) };
    // In this order: if the process listens after the handle was made, the handle is that process's.
    let process = ProcessHandle::of_pid(pid);
    match (process, listens(pid, &reattach.address)) {
        (Some(process), Some(true)) => Ok(Some(process)),
        // Who listens cannot be seen from here, as in a container.
        (_, None) => Ok(None),
        (_, Some(_)) => Err(AttachError::Stranger { pid, address: reattach.address.clone() }),
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// A host could not attach itself to a plugin. Nobody was killed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The plugin does not answer.
    #[error("failed to connect to the plugin")]
    Connect(#[from] ConnectError),
    /// The backend's I/O thread is gone.
    #[error("the I/O thread of the process backend has ended")]
    NoThread,
    /// Nobody listens where the plugin did.
    #[error("reattachment process not found: nobody listens on the plugin's socket")]
    NotFound(#[source] io::Error),
    /// Who listens does not answer.
    #[error("expected the plugin to answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// The plugin speaks something else.
    #[error("expected protocol `grpc`, found `{found}`")]
    Protocol {
        /// What it speaks.
        found: Protocol,
    },
    /// Another process than the one that was named listens there.
    #[error(
        "reattachment process not found: expected process `{pid}` to listen on `{address}`, found another or none"
    )]
    Stranger {
        /// The number that was named.
        pid: u32,
        /// Where the plugin should be.
        address: Address,
    },
    /// The keys make no TLS.
    #[error("failed to prepare AutoMTLS")]
    Tls(#[from] TlsError),
    /// The process cannot be watched.
    #[error("failed to watch the plugin's process")]
    Watch(#[source] io::Error),
}

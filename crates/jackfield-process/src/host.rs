//! The host's end: what starts as a plugin, and how.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::{
    BoxFuture, Candidate, Context, Description, Instance, Load, LoadError, LoadErrorKind, OfferedObject,
    all_saved, offered_objects,
};
use tokio::time::timeout;

use crate::backend::{ProcessBackend, Shared};
use crate::channel::Link;
use crate::checksum::Checksum;
use crate::child::{Bond, Environment, Launch};
use crate::error::StartError;
use crate::fingerprint::{self, INTERFACE};
use crate::grpc::Limit;
use crate::handshake::{Handshake, Multiplexing, PORTS, Protocol};
use crate::health::examine;
use crate::instance::ProcessInstance;
use crate::lanes::Lanes;
#[cfg(feature = "netrpc")]
use crate::netrpc::binding::known;
#[cfg(feature = "netrpc")]
use crate::netrpc::plugin::{self, NetRpc, Wanted};
use crate::printed::{Printed, Stderr, Stream};
use crate::runner::Runner;
use crate::running::Running;
use crate::start::{Announced, Plan, Security, Started, announce, connect, offer, start};
use crate::tls::TlsConfig;

/// A program that becomes a plugin when it is loaded.
///
/// ```no_run
/// # use jackfield_process::{Handshake, ProcessBackend, ProcessPlugin};
/// let backend = ProcessBackend::start()?;
/// let plugin = ProcessPlugin::new("plugins/kv")
///     .handshake(Handshake::new(1, "KV_PLUGIN", "hello"))
///     .auto_mtls()
///     .backend(&backend);
/// # Ok::<(), jackfield_process::BackendError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ProcessPlugin {
    launch: Launch,
    handshake: Handshake,
    versions: Vec<i32>,
    security: Security,
    start_timeout: Duration,
    printed: Printed,
    stderr: Stderr,
    connections: Connections,
    multiplexing: Multiplexing,
    ports: RangeInclusive<u16>,
    socket_group: Option<String>,
    checksum: Option<Checksum>,
    runner: Option<Arc<dyn Runner>>,
    limit: Limit,
    liveness: Option<Duration>,
    #[cfg(feature = "netrpc")]
    net_rpc: Option<NetRpc>,
    backend: Option<ProcessBackend>,
}

impl ProcessPlugin {
    /// Describes a plugin that `program` is; without a slash it is looked up in `PATH`.
    ///
    /// The child sees little of the host's environment: [`inherit_env`](Self::inherit_env) shows it the rest.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            launch: Launch {
                program: program.into(),
                arguments: Vec::new(),
                directory: None,
                environment: Environment::Clean,
                variables: Vec::new(),
                bond: Bond::Tight,
                memory: None,
            },
            handshake: Handshake::default(),
            versions: Vec::new(),
            security: Security::Plain,
            start_timeout: START_TIMEOUT,
            printed: Printed::default(),
            stderr: Stderr::default(),
            connections: Connections::One,
            multiplexing: Multiplexing::Off,
            ports: PORTS,
            socket_group: None,
            checksum: None,
            runner: None,
            limit: Limit::default(),
            liveness: None,
            #[cfg(feature = "netrpc")]
            net_rpc: None,
            backend: None,
        }
    }

    /// Adds arguments of the program.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.launch.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Loads on `backend`. Without one, each load starts a backend of its own.
    pub fn backend(mut self, backend: &ProcessBackend) -> Self {
        self.backend = Some(backend.clone());
        self
    }

    /// Encrypts the connection, so that only this host and this plugin can talk on it.
    pub fn auto_mtls(mut self) -> Self {
        self.security = Security::AutoMtls;
        self
    }

    /// Gives each `tokio` runtime that calls the plugin a connection of its own, which lives on that runtime.
    ///
    /// An asynchronous call is then answered without waking the I/O thread, which a host that makes one call after
    /// another notices where that thread [sleeps](crate::ProcessBackend::busy_poll), as on one core. In return the
    /// host promises what cannot be checked: every runtime in whose context it calls has its I/O driver enabled
    /// (or the call panics), and is driven while the call waits (or it waits for ever, as under a foreign
    /// `block_on` inside of a runtime's only thread). Calls outside of any runtime and blocking calls go over the
    /// one connection on the I/O thread, as without this.
    pub fn connection_per_runtime(mut self) -> Self {
        self.connections = Connections::PerRuntime;
        self
    }

    /// Lets the plugin go on when this host lets go of it or ends, so that another can go on with it: see
    /// [`Reattach::plugin`](crate::Reattach::plugin). Whoever stops it must do so by that.
    ///
    /// Its log goes nowhere, it reads nothing from the terminal, and its socket lies among the system's temporary files.
    pub fn detached(mut self) -> Self {
        self.launch.bond = Bond::Loose;
        self
    }

    /// Starts the program in `directory`.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.launch.directory = Some(directory.into());
        self
    }

    /// Sets a variable of the program's environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.launch.variables.push((key.into(), value.into()));
        self
    }

    /// Sets what the two sides must agree on; [`Handshake::default`] otherwise.
    pub fn handshake(mut self, handshake: Handshake) -> Self {
        self.handshake = handshake;
        self
    }

    /// Shows the program the host's whole environment, save what an outer host told this one.
    pub fn inherit_env(mut self) -> Self {
        self.launch.environment = Environment::Inherited;
        self
    }

    /// Kills the plugin if it is wedged: if it answers nothing at all for `patience`. Otherwise it may be silent for ever.
    ///
    /// It is asked again and again, at most every `patience`, so that it is found within twice that time. A plugin that is
    /// *busy* answers, however many calls it has and however long they take, since its I/O does not wait for them. That is so
    /// in Go, in Python and of blocking methods in Rust; an asynchronous method in Rust must not hold up its thread for as
    /// long as `patience`, on which all the others are answered.
    ///
    /// A plugin whose server takes only so many calls at once (`MaxConcurrentStreams` in Go) is not asked, since the question
    /// might have to wait for the others.
    ///
    /// Its calls then end with [`Closed`](jackfield_core::CallError::Closed), and it has ended as if by itself. A plugin
    /// to which this host has [attached](crate::Reattach::plugin) itself is never killed.
    pub fn liveness(mut self, patience: Duration) -> Self {
        self.liveness = Some(patience);
        self
    }

    /// Sets how many bytes a message may have, sent to the plugin or received of it; 2 GiB otherwise. Of a stream, that is
    /// each item.
    ///
    /// A larger one fails its call with [`TooLarge`](jackfield_core::CallError::TooLarge), and only that one; a call may
    /// have [a limit of its own](jackfield_core::CallOptions::max_message). It holds over gRPC, for the interface and for
    /// the objects that go with its calls; generated clients have limits of their own.
    ///
    /// The words of an error are no message but a head of HTTP/2: of Go's they may have 300 KiB, as they are sent. A longer one
    /// ends the connection, and with it all calls, which say so; the plugin has to be loaded anew.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.limit = Limit::new(bytes);
        self
    }

    /// Limits how many bytes of memory the program may have; as many as this host may have otherwise.
    ///
    /// Each of its processes may have so many bytes of data: its heap, and whatever else it maps for itself to write on, the
    /// stacks of its threads included (`RLIMIT_DATA`). An allocation beyond fails in the program, of which most end at once:
    /// a Rust program aborts and says so, which is then in the error of each call that was in flight.
    ///
    /// Where this host may make cgroups (version 2), the program and all that it starts may have so many bytes together, of
    /// whatever kind, and no swap. If they need more the kernel kills all of them, and the errors say that it was for this
    /// limit. `docs/memory-limits.md` says where that is, and how to start a host there; elsewhere an event of `tracing` at
    /// level `DEBUG` has the reason. The start forks this host then, which takes longer the more memory it has. Under a runner
    /// both hold for the runner's program, and what that starts itself.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.launch.memory = Some(bytes);
        self
    }

    /// Lets the plugin answer over go-plugin's older protocol too, if that is what it speaks. Otherwise such a plugin
    /// is refused.
    #[cfg(feature = "netrpc")]
    pub fn net_rpc(mut self, net_rpc: NetRpc) -> Self {
        self.net_rpc = Some(net_rpc);
        self
    }

    /// Gives what the plugin prints to `take`, in pieces cut anywhere. Otherwise it becomes events of `tracing`.
    ///
    /// It is called on the I/O thread and should be quick.
    pub fn on_print(mut self, take: impl Fn(Stream, &[u8]) + Send + Sync + 'static) -> Self {
        self.printed = Printed::Function(Arc::new(take));
        self
    }

    /// Gives what the plugin writes to its standard error to `take` as well, in pieces cut anywhere, from its start to its
    /// end. The log is made of it all the same. A plugin in Go writes its log there, and the words of a crash; what it
    /// *prints* there is for [`on_print`](Self::on_print). Of a [detached](Self::detached) plugin nothing is heard.
    ///
    /// It is called on the I/O thread and should be quick.
    pub fn on_stderr(mut self, take: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.stderr = Stderr::new(take);
        self
    }

    /// Sets how long the plugin may take to announce itself; a minute otherwise.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Sets the ports that a plugin on TCP may take; 10000 to 25000 otherwise.
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Runs the program elsewhere, such as in a container.
    pub fn runner(mut self, runner: impl Runner + 'static) -> Self {
        self.runner = Some(Arc::new(runner));
        self
    }

    /// Runs the program only if its file has this SHA-256 digest. What was digested is what runs: it is held in memory
    /// that nobody can change.
    ///
    /// The program then finds no file under its own name in `/proc/self/exe`, and must not be a script.
    pub fn sha256(mut self, digest: [u8; 32]) -> Self {
        self.checksum = Some(Checksum::new(digest));
        self
    }

    /// Lets a group of users connect to the plugin's sockets, by its name in `/etc/group` or its number: for a plugin
    /// that runs as another user. The sockets otherwise belong to this user alone.
    pub fn socket_group(mut self, group: impl Into<String>) -> Self {
        self.socket_group = Some(group.into());
        self
    }

    /// Encrypts the connection with TLS of the host's own making; the plugin must bring the other half of it.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.security = Security::Own(tls);
        self
    }

    /// Makes all connections over the plugin's one socket, those of the broker included: for plugins in containers,
    /// from which further sockets do not come out. A plugin that cannot do that is refused.
    pub fn multiplex(mut self) -> Self {
        self.multiplexing = Multiplexing::On;
        self
    }

    /// Offers these versions of the application's protocol too, besides the handshake's; the plugin takes the
    /// highest that it has.
    pub fn versions(mut self, versions: impl IntoIterator<Item = i32>) -> Self {
        self.versions.extend(versions);
        self
    }

    /// Starts the plugin for calls that generated clients of `tonic` make, under `name` in logs and in what the
    /// plugin hears. No interface is checked: that is what [`load`](Candidate::load) is for.
    ///
    /// The plugin ends when what this returns is dropped. Giving the future up kills what was begun.
    ///
    /// # Errors
    /// If the program does not start, does not become a plugin, or cannot be reached.
    pub async fn start(&self, name: impl Into<String>) -> Result<Running, StartError> {
        let backend = self.own_backend()?;
        let owner = Arc::clone(backend.shared());
        let shared = Arc::clone(&owner);
        let plan = self.plan(&Context::new(name, []));
        let task = owner.io.start_task(async move { start(&shared, plan).await });
        let started = task.await.map_err(|_| StartError::NoThread)??;
        Ok(Running::new(self.link(started, owner)))
    }

    async fn load_instance(&self, load: &Load) -> Result<Box<dyn Instance>, LoadErrorKind> {
        let backend = self.own_backend()?;
        let owner = Arc::clone(backend.shared());
        let shared = Arc::clone(&owner);
        let (mut plan, interface) = (self.plan(&load.context), load.interface);
        let wanted = fingerprint::wanted(&interface);
        let is_told = wanted.is_some();
        plan.launch.variables.extend(wanted.map(|wanted| (INTERFACE.into(), wanted.into())));
        let this = self.clone();
        #[cfg(feature = "netrpc")]
        plan.protocols.extend(self.net_rpc.as_ref().map(|_| Protocol::NetRpc));
        #[cfg(feature = "netrpc")]
        let net_rpc = self.net_rpc.clone().map(|options| (options.home(), options));
        let task = owner.io.start_task(async move {
            let announced = announce(&shared, &plan).await?;
            #[cfg(feature = "netrpc")]
            if let (Protocol::NetRpc, Some((home, options))) = (announced.protocol, net_rpc) {
                let interface = known(interface)?;
                let wanted = Wanted { interface, printed: plan.printed, offers: plan.offers, home };
                let connecting = plugin::connect(shared, announced, options, wanted);
                let connected = timeout(this.start_timeout, connecting).await;
                let instance = connected.map_err(|_| StartError::Timeout(this.start_timeout))??;
                return Ok(Box::new(instance) as Box<dyn Instance>);
            }
            let Announced { child, wires, sockets, conforms, .. } = announced;
            let connecting = timeout(this.start_timeout, connect(&shared, child, wires, plan.printed)).await;
            let connected = connecting.map_err(|_| StartError::Timeout(this.start_timeout))?;
            let started = connected.map_err(StartError::from)?;
            offer(&started.broker, plan.offers).await?;
            // It is not asked for what it has said, if this host wanted to know it.
            let interface = if conforms && is_told { Description::any() } else { interface };
            let examined = examine(&started.connection, interface, this.start_timeout).await;
            examined.map_err(|_| StartError::Timeout(this.start_timeout))??;
            sockets.keep();
            Ok(Box::new(ProcessInstance::new(this.link(started, shared))) as Box<dyn Instance>)
        });
        task.await.map_err(|_| StartError::NoThread)?
    }

    fn own_backend(&self) -> Result<ProcessBackend, StartError> {
        match &self.backend {
            Some(backend) => Ok(backend.clone()),
            None => Ok(ProcessBackend::start()?),
        }
    }

    fn link(&self, started: Started, shared: Arc<Shared>) -> Link {
        let lanes = match self.connections {
            Connections::One => None,
            Connections::PerRuntime => Some(Lanes::default()),
        };
        Link { started, shared, lanes }
    }

    fn all_versions(&self) -> Vec<i32> {
        let own = self.handshake.protocol_version;
        std::iter::once(own).chain(self.versions.iter().copied().filter(|version| *version != own)).collect()
    }

    fn plan(&self, context: &Context) -> Plan {
        let mut launch = self.launch.clone();
        launch.variables.extend(about(context));
        let offers = offered_objects(context);
        if !offers.is_empty() {
            launch.variables.push((OFFERS.into(), encode_offers(&offers).into()));
        }
        let saved = all_saved(context).to_vec();
        Plan {
            offers,
            saved,
            name: context.plugin().to_owned(),
            launch,
            handshake: self.handshake.clone(),
            versions: self.all_versions(),
            security: self.security.clone(),
            start_timeout: self.start_timeout,
            multiplexing: self.multiplexing,
            ports: self.ports.clone(),
            socket_group: self.socket_group.clone(),
            checksum: self.checksum,
            runner: self.runner.clone(),
            printed: self.printed.clone(),
            stderr: self.stderr.clone(),
            protocols: vec![Protocol::Grpc],
            limit: self.limit,
            liveness: self.liveness,
        }
    }
}

/// Where asynchronous calls are made.
#[derive(Debug, Clone, Copy)]
enum Connections {
    /// On the one connection on the I/O thread.
    One,
    /// On one more for each runtime that calls.
    PerRuntime,
}

impl Candidate for ProcessPlugin {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async move {
            match self.load_instance(load).await {
                Ok(instance) => Ok(instance),
                Err(kind) => Err(load.error(kind)),
            }
        })
    }
}

impl From<StartError> for LoadErrorKind {
    fn from(error: StartError) -> Self {
        Self::backend("process", error.step(), error)
    }
}

/// What a plugin is told of its name and configuration.
pub(crate) fn about(context: &Context) -> [(OsString, OsString); 2] {
    [(NAME.into(), context.plugin().into()), (CONFIG.into(), encode_config(context).into())]
}

/// A plugin's configuration as a JSON array of pairs, which keeps the order and any repetition.
fn encode_config(context: &Context) -> String {
    let pairs: Vec<(&str, &str)> = context.entries().collect();
    serde_json::json!(pairs).to_string()
}

/// What the host offers as a JSON array of pairs, the name and the interface of each.
fn encode_offers(offers: &[OfferedObject]) -> String {
    let pairs: Vec<_> = offers.iter().map(|offer| (&offer.name, offer.service.schema().service)).collect();
    serde_json::json!(pairs).to_string()
}

/// As long as a Go host waits.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The variable that tells a plugin the name under which it was loaded.
pub(crate) const NAME: &str = "JACKFIELD_PLUGIN";
/// The variable that tells a plugin its configuration.
pub(crate) const CONFIG: &str = "JACKFIELD_CONFIG";
/// The variable that tells a plugin what the host offers.
pub(crate) const OFFERS: &str = "JACKFIELD_OFFERS";

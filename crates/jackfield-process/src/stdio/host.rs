//! The host's end: what starts, and in which direction it talks.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use jackfield_core::{
    BoxFuture, Candidate, Channel, Description, Instance, Load, LoadError, LoadErrorKind, Step, all_saved,
};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::instance::{Consumer, Process, StdioInstance};
use crate::backend::{ProcessBackend, Shared};
use crate::busy_poll::Heard;
use crate::child::{Bond, ChildHandle, Environment, Launch, Logs, Mark, Traces, spawn_talking, supervise};
use crate::error::{BackendError, StartError};
use crate::home::{Home, move_in};
use crate::host::about;
use crate::netrpc::binding::{
    Arguments, Carrier, Exchange, Line, Loose, Misfits, Outgoing, Pulse, RpcChannel, known,
};
use crate::netrpc::{Bound, Codec, FromBody, Gobs, Json, RpcError, Server, ToBody, connect_within};
use crate::printed::Stderr;
use crate::saving::{self, SAVED};
use crate::tasks::Tasks;

/// A program that talks over its standard input and output.
///
/// ```no_run
/// # use jackfield_process::stdio::{StdioCodec, StdioPlugin};
/// let plugin = StdioPlugin::new("python3").args(["plugins/greeter.py"]).codec(StdioCodec::Json);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct StdioPlugin {
    launch: Launch,
    stderr: Stderr,
    service: String,
    codec: StdioCodec,
    hands_over: bool,
    max_message: usize,
    home: Home,
    arguments: HashMap<String, Arguments>,
    misfits: Misfits,
    backend: Option<ProcessBackend>,
}

/// What a program reads and writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StdioCodec {
    /// Go's gobs.
    #[default]
    Gob,
    /// JSON-RPC 1.0.
    Json,
    /// JSON-RPC 2.0.
    Json2,
}

impl StdioPlugin {
    /// Describes a plugin that `program` is; without a slash it is looked up in `PATH`.
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
            stderr: Stderr::default(),
            service: "Plugin".to_owned(),
            codec: StdioCodec::default(),
            hands_over: false,
            max_message: MAX_MESSAGE,
            home: Home::default(),
            arguments: HashMap::new(),
            misfits: Misfits::default(),
            backend: None,
        }
    }

    /// Adds arguments of the program.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.launch.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Loads the plugin although its interface has methods that cannot be carried, which are those with streams, objects
    /// and enums with data: a call of one fails, and says why.
    pub fn allow_lacking(mut self) -> Self {
        self.misfits = Misfits::Lacking;
        self
    }

    /// Loads on `backend`. Without one, each load starts a backend of its own.
    pub fn backend(mut self, backend: &ProcessBackend) -> Self {
        self.backend = Some(backend.clone());
        self
    }

    /// Sets what the program reads and writes; gobs otherwise, as in pie.
    pub fn codec(mut self, codec: StdioCodec) -> Self {
        self.codec = codec;
        self
    }

    /// Lets the pipes live on the `tokio` runtime in which the program is loaded, if that is one of a single thread.
    ///
    /// What it gives and what the host promises is the same as for
    /// [`NetRpc`](crate::netrpc::NetRpc::connection_on_runtime). A program that [consumes](Self::consume) is served on the
    /// I/O thread.
    pub fn connection_on_runtime(mut self) -> Self {
        self.home = Home::Loader;
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

    /// Says that the program hands over what it holds when it is reloaded: that it answers `JackfieldSaves` and
    /// `JackfieldSave`, as one that [`serve`](super::serve)s a plugin does. See `docs/handing-over.md`.
    ///
    /// No other program is asked: it might bear no question that it does not know, or never answer it.
    pub fn hands_over(mut self) -> Self {
        self.hands_over = true;
        self
    }

    /// Passes the arguments of `method` by name, as a map, in place of a struct of Go's.
    pub fn map_arguments(mut self, method: impl Into<String>) -> Self {
        self.arguments.insert(method.into(), Arguments::Map);
        self
    }

    /// Limits how long an answer of the program may be, in bytes; 64 MiB otherwise.
    ///
    /// What the program [hands over](Self::hands_over) may be longer. Any other answer is not kept: the talk with the program ends with an error that names the limit, as when it had written
    /// something that is no answer. How long a call of a program that [consumes](Self::consume) may be is a matter of its
    /// [`Server`](Server::max_message).
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
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
    /// level `DEBUG` has the reason. The start forks this host then, which takes longer the more memory it has.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.launch.memory = Some(bytes);
        self
    }

    /// Gives what the program writes to its standard error to `take` as well, in pieces cut anywhere, from its start to its
    /// end. The log is made of it all the same.
    ///
    /// It is called on the I/O thread and should be quick.
    pub fn on_stderr(mut self, take: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.stderr = Stderr::new(take);
        self
    }

    /// Sets the name of the service whose methods are called; `Plugin` otherwise.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = service.into();
        self
    }

    /// Starts a program that calls this host, and answers it with `server` until it ends.
    ///
    /// What `server` speaks is what the program must. The program ends when what this returns is dropped.
    ///
    /// # Errors
    /// If the program does not start.
    pub async fn consume<C: Codec>(&self, server: Server<C>) -> Result<Consumer, StartError> {
        let backend = self.own_backend()?;
        let owner = Arc::clone(backend.shared());
        let shared = Arc::clone(&owner);
        let (launch, name) = (self.launch.clone(), self.launch.program.display().to_string());
        let raw = self.stderr.clone();
        let task = owner.io.start_task(async move {
            let home = shared.io.tasks();
            let Talking { child, stdin, stdout } =
                start(&shared, &launch, Logs::new(name, raw), &home).await?;
            let (close, mut closed) = watch::channel(false);
            let serving = async move {
                tokio::select! {
                    served = server.serve_halves(stdout, stdin) => served.err().unwrap_or(RpcError::Gone),
                    _ = closed.wait_for(|closed| *closed) => RpcError::Closed,
                }
            };
            let process = Process::watch(Arc::clone(&shared), &home, child, serving, move || {
                close.send_replace(true);
            });
            Ok(Consumer::new(process))
        });
        task.await.map_err(|_| StartError::NoThread)?
    }

    async fn load_instance(&self, load: &Load) -> Result<StdioInstance, LoadErrorKind> {
        let interface = known(load.interface)?;
        fits(self.misfits, interface)?;
        let backend = self.own_backend().map_err(stdio)?;
        let owner = Arc::clone(backend.shared());
        let (shared, this) = (Arc::clone(&owner), self.clone());
        let (name, mut launch) = (load.context.plugin().to_owned(), self.launch.clone());
        launch.variables.extend(about(&load.context));
        let saved = if self.hands_over { all_saved(&load.context).to_vec() } else { Vec::new() };
        let home = self.home.here();
        let task = owner.io.start_task(async move {
            let within = shared.sockets.path().to_owned();
            let files = saving::write(within, saved).await.map_err(StartError::Saved)?;
            launch.variables.extend(files.iter().map(|files| (SAVED.into(), files.path().into())));
            let home = move_in(home, &shared.io).await?;
            let talking = start(&shared, &launch, Logs::new(name, this.stderr.clone()), &home).await?;
            let instance = match this.codec {
                StdioCodec::Gob => this.begin(shared, home, (talking, Gobs), interface),
                StdioCodec::Json => this.begin(shared, home, (talking, Json::V1), interface),
                StdioCodec::Json2 => this.begin(shared, home, (talking, Json::V2), interface),
            };
            if let Some(files) = files {
                let constructed = instance.constructed().await;
                saving::remove(files);
                constructed.map_err(StartError::Unanswered)?;
            }
            Ok(instance)
        });
        task.await.unwrap_or(Err(StartError::NoThread)).map_err(stdio)
    }

    fn begin<C: Codec>(
        &self,
        shared: Arc<Shared>,
        home: Tasks,
        (talking, codec): (Talking, C),
        interface: Description,
    ) -> StdioInstance
    where
        Outgoing: ToBody<C>,
        Loose: FromBody<C>,
    {
        let Talking { child, stdin, stdout } = talking;
        let clock = shared.io.tasks();
        let bound = Bound::new(self.max_message);
        let (client, connection) = connect_within(bound.clone(), (Heard(stdout), stdin), codec);
        let closing = client.clone();
        let process = Process::watch(shared, &home, child, connection, move || closing.close());
        let (fate, misfits) = (process.fate().clone(), self.misfits);
        let is_asked_to_save = self.hands_over;
        let channel = move |interface: Description, service: &str, arguments| {
            let (home, clock, fate) = (home.clone(), clock.clone(), fate.clone());
            let line = Line {
                interface,
                service: service.to_owned(),
                arguments,
                home,
                clock,
                fate,
                objects: Exchange::None,
                pulse: Pulse::None,
                is_asked_to_save,
                bound: bound.clone(),
            };
            Arc::new(RpcChannel::new(client.clone(), line)) as Arc<dyn Channel>
        };
        let first = channel(interface, &self.service, self.arguments.clone());
        let interfaces = move |interface: Description| {
            fits(misfits, interface)?;
            Ok(channel(interface, interface.schema().service, HashMap::new()))
        };
        StdioInstance::new(process, first, Box::new(interfaces))
    }

    fn own_backend(&self) -> Result<ProcessBackend, StartError> {
        match &self.backend {
            Some(backend) => Ok(backend.clone()),
            None => Ok(ProcessBackend::start()?),
        }
    }
}

impl Candidate for StdioPlugin {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async move {
            match self.load_instance(load).await {
                Ok(instance) => Ok(Box::new(instance) as Box<dyn Instance>),
                Err(kind) => Err(load.error(kind)),
            }
        })
    }
}

/// A program that was started, and both ends of the talk.
struct Talking {
    child: ChildHandle,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
}

/// Starts a program whose pipes live at `home`. Must run on the I/O thread; giving it up kills what was started.
async fn start(shared: &Shared, launch: &Launch, logs: Logs, home: &Tasks) -> Result<Talking, StartError> {
    let instance = Mark::instance().map_err(BackendError::Mark)?;
    let (mut launch, name) = (launch.clone(), logs.plugin());
    for mark in [&shared.mark, &instance] {
        launch.variables.push((OsString::from(mark.name()), OsString::from(mark.value())));
    }
    tracing::debug!(plugin = name, program = %launch.program.display(), "starting a plugin");
    let mut process = spawn_talking(&launch, &shared.guard)
        .map_err(|source| StartError::Spawn { program: launch.program.display().to_string(), source })?;
    tracing::debug!(plugin = name, pid = process.child.id(), "started a plugin");
    let ends = process.child.stdin.take().zip(process.child.stdout.take());
    let traces = Traces { mark: instance, sockets: None };
    let (child, _, supervisor) =
        supervise(process, logs, traces, Bond::Tight).map_err(StartError::Supervise)?;
    shared.io.keep(supervisor);
    let (stdin, stdout) = ends.ok_or_else(|| StartError::Supervise(io::ErrorKind::NotConnected.into()))?;
    let opening = home.start(async move {
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(stdin))?;
        Ok((stdin, pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?))
    });
    let opened = opening.await.map_err(|_| StartError::NoRuntime)?;
    let (stdin, stdout) = opened.map_err(StartError::Supervise)?;
    Ok(Talking { child, stdin, stdout })
}

fn fits(misfits: Misfits, interface: Description) -> Result<(), LoadErrorKind> {
    misfits
        .check(interface, Carrier::Single)
        .map_err(|unfit| LoadErrorKind::backend("stdio", Step::Check, unfit))
}

fn stdio(error: StartError) -> LoadErrorKind {
    LoadErrorKind::backend("stdio", error.step(), error)
}

/// What a host reads of a program that does not stop, before it gives up.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

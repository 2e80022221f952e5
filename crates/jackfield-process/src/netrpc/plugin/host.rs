//! The host's end: the first three streams, and the dispense of one plugin.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use gobwire::Dynamic;
use jackfield_core::{BoxFuture, Channel, Description, LoadErrorKind, OfferedObject, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::broker::MuxBroker;
use super::instance::NetRpcInstance;
use crate::backend::Shared;
use crate::child::Death;
use crate::error::StartError;
use crate::fate::Fate;
use crate::grpc::{ConnectError, Target, open};
use crate::handshake::Protocol;
use crate::home::{Home, Teller, move_in};
use crate::liveness::Liveness;
use crate::netrpc::binding::{Arguments, Brokerage, Carrier, Misfits, Pulse};
use crate::netrpc::{Client, Gobs, RpcError, connect as connect_rpc};
use crate::printed::{Printed, Stream as Output};
use crate::reattach::Reattach;
use crate::start::{Announced, Wires, live};
use crate::tasks::Tasks;
use crate::tls::TlsConfig;
use crate::yamux::{Config, Role, Session, Stream, session};

/// How a host talks to a plugin that answers over net/rpc.
///
/// ```no_run
/// # use jackfield_process::netrpc::NetRpc;
/// # use jackfield_process::{Handshake, ProcessPlugin};
/// let plugin = ProcessPlugin::new("plugins/kv")
///     .handshake(Handshake::new(1, "KV_PLUGIN", "hello"))
///     .net_rpc(NetRpc::new("kv").map_arguments("Put"));
/// ```
///
/// # What the values are in Go
///
/// A method of the interface is called by its name in Go, such as `Get`. One argument is passed by itself, several as a
/// struct whose fields are called as Go spells the arguments' names (`first_name` is `FirstName`;
/// `#[field(name = "URL")]` and `#[value(name = "URL")]` say otherwise), none as an `interface{}`.
///
/// | in Rust | in Go |
/// | --- | --- |
/// | a struct, a tuple | a struct; the fields of a tuple are `Field1`, `Field2` … |
/// | an enum without data | an integer |
/// | `Vec`, maps | a slice, a map |
/// | `Option` | a pointer; by itself as argument or result, a struct with a pointer |
/// | `Handle<dyn Trait>` | a `uint32`, for the broker's `Dial` and `AcceptAndServe` |
///
/// An error has only its text for a plugin in Go; one in Rust keeps its code and what it is. An object lives until
/// whoever was given it closes its stream.
///
/// Streams, enums with data and metadata cannot be carried, and a call that is given up, or whose deadline came, goes
/// on in the plugin. An interface with a method that cannot be carried is refused when the plugin is loaded, unless the
/// method has a default, which then runs.
#[derive(Debug, Clone)]
#[must_use]
pub struct NetRpc {
    plugin: String,
    arguments: HashMap<String, Arguments>,
    misfits: Misfits,
    home: Home,
}

impl NetRpc {
    /// Talks to the plugin that has the name `plugin` in its program.
    pub fn new(plugin: impl Into<String>) -> Self {
        Self {
            plugin: plugin.into(),
            arguments: HashMap::new(),
            misfits: Misfits::default(),
            home: Home::default(),
        }
    }

    /// Loads the plugin although its interface has methods that net/rpc cannot carry: a call of one fails, and says why.
    pub fn allow_lacking(mut self) -> Self {
        self.misfits = Misfits::Lacking;
        self
    }

    /// Lets the connection live on the `tokio` runtime in which the plugin is loaded, if that is one of a single thread.
    ///
    /// An asynchronous call on that runtime is then answered without waking the I/O thread, which a host that makes one
    /// call after another notices where that thread [sleeps](crate::ProcessBackend::busy_poll), as on one core. In return
    /// the host promises that this runtime is driven for as long as the plugin is loaded: calls from elsewhere wait for it
    /// too, and a plugin takes a host for dead that answers nothing for half a minute. Its I/O and its clock have to be
    /// enabled, or the load fails. The connection ends with the runtime. A blocking call on its thread is an error at once:
    /// it would wait for itself.
    pub fn connection_on_runtime(mut self) -> Self {
        self.home = Home::Loader;
        self
    }

    /// Passes the arguments of `method` as a `map[string]interface{}`, under the names that they have in the interface.
    pub fn map_arguments(mut self, method: impl Into<String>) -> Self {
        self.arguments.insert(method.into(), Arguments::Map);
        self
    }
}

impl NetRpc {
    /// The runtime on which its connection is to live, if not the backend's. Must be called by whoever loads the plugin.
    pub(crate) fn home(&self) -> Option<Handle> {
        self.home.here()
    }

    /// Refuses an interface that cannot be carried.
    pub(super) fn check(&self, interface: Description) -> Result<(), LoadErrorKind> {
        let checked = self.misfits.check(interface, Carrier::Brokered);
        checked.map_err(|unfit| LoadErrorKind::backend("process", Step::Check, unfit))
    }
}

/// Connects to a plugin that has announced itself. Must run on the I/O thread; giving it up kills the plugin, if it is bound to
/// this host.
pub(crate) async fn connect(
    shared: Arc<Shared>,
    announced: Announced,
    options: NetRpc,
    Wanted { interface, printed, offers, home }: Wanted,
) -> Result<NetRpcInstance, LoadErrorKind> {
    options.check(interface)?;
    let Announced { child, wires, sockets, .. } = announced;
    let Wires { target, version, keys, liveness, .. } = wires;
    let (child, address) = (Arc::new(child), target.address.clone());
    let tasks = move_in(home, &shared.io).await?;
    let (ending, end) = watch::channel(None);
    let opening = Opening {
        target,
        printed,
        died: Box::pin(child.died()),
        ended: Teller(ending.clone()),
        fate: Fate::of_plugin(tasks.clone(), end),
        clock: shared.io.tasks(),
        tasks: tasks.clone(),
    };
    let (plugin, arguments) = (options.plugin.clone(), options.arguments.clone());
    let beginning = tasks.start(async move {
        let dispenser = opening.begin().await?;
        for offer in offers {
            dispenser.objects.serve(offer.service);
        }
        // At the same time, so that a start takes no longer for it.
        let (well, channel) =
            tokio::join!(well(&dispenser.control), dispenser.dispense(&plugin, interface, arguments));
        well?;
        Ok::<_, StartError>((dispenser, channel?))
    });
    let (dispenser, channel) = beginning.await.map_err(|_| StartError::NoRuntime)??;
    let liveness = liveness.map(|patience| {
        let pulse = Pulse::Beside(dispenser.control.clone());
        let liveness = Liveness { patience, child: Arc::downgrade(&child), ending: ending.clone() };
        // Where the answers are read, so that they are not missed while others keep that thread busy.
        tasks.start(liveness.keep_asking(move || {
            let pulse = pulse.clone();
            async move { pulse.feel().await }
        }))
    });
    let mut reattach = Reattach::of(&child, version, address, keys);
    reattach.protocol = Protocol::NetRpc;
    sockets.keep();
    Ok(NetRpcInstance { _liveness: liveness, child, dispenser, channel, ending, reattach, shared, options })
}

/// What a connection begins with.
struct Opening {
    target: Target,
    printed: Printed,
    died: BoxFuture<'static, Arc<Death>>,
    ended: Teller,
    fate: Fate,
    clock: Tasks,
    tasks: Tasks,
}

impl Opening {
    /// Connects. Must run where the connection lives.
    async fn begin(self) -> Result<Dispenser, StartError> {
        let Self { target, printed, died, ended, fate, clock, tasks } = self;
        let (socket, cutter) = open(&target.address).await.map_err(ConnectError::Socket)?;
        let (session, driver) = match &target.tls {
            None => session(socket, Role::Client, Config::default()),
            Some(tls) => {
                let socket = encrypt(socket, tls).await.map_err(ConnectError::Tls)?;
                session(socket, Role::Client, Config::default())
            }
        };
        tasks.keep(async move {
            let driver = async {
                let end = driver.await;
                tracing::debug!(%end, "the connection to a plugin ended");
            };
            ended.tell(live(driver, died, &cutter).await);
        });
        let control = begin(&tasks, &session, printed).await.map_err(RpcError::from)?;
        let broker = Arc::new(MuxBroker::new(session));
        let running = Arc::clone(&broker);
        tasks.keep(async move { drop(running.run().await) });
        Ok(Dispenser { control, objects: Brokerage { broker, fate, clock, tasks } })
    }
}

/// What is wanted of a plugin.
pub(crate) struct Wanted {
    /// Its interface.
    pub(crate) interface: Description,
    /// Where what it prints goes.
    pub(crate) printed: Printed,
    /// What this host offers it.
    pub(crate) offers: Vec<OfferedObject>,
    /// The runtime on which the connection is to live, if not the backend's.
    pub(crate) home: Option<Handle>,
}

/// The host's end of a connection, where it asks for what the plugin serves.
#[derive(Debug, Clone)]
pub(super) struct Dispenser {
    pub(super) control: Client<Gobs>,
    pub(super) objects: Brokerage,
}

impl Dispenser {
    /// Asks for the object that has the name `wanted` in the plugin. Must run where the connections live.
    pub(super) async fn dispense(
        &self,
        wanted: &str,
        interface: Description,
        arguments: HashMap<String, Arguments>,
    ) -> Result<Arc<dyn Channel>, RpcError> {
        let id: u32 = self.control.call("Dispenser.Dispense", wanted).await?;
        Ok(self.objects.dial(id, interface, arguments, Pulse::Beside(self.control.clone())).await?)
    }
}

/// Opens the three streams in the order that a plugin expects.
async fn begin(tasks: &Tasks, session: &Session, printed: Printed) -> io::Result<Client<Gobs>> {
    let control = open_stream(session).await?;
    for output in [Output::Stdout, Output::Stderr] {
        tasks.keep(pass_on(open_stream(session).await?, output, printed.clone()));
    }
    let (control, connection) = connect_rpc(control, Gobs);
    tasks.keep(async move { drop(connection.await) });
    Ok(control)
}

/// Asks as a host of go-plugin does for its `Ping`. A peer that has no such method is given the benefit of the doubt; what
/// ails the connection is found by whoever asks for the plugin.
async fn well(control: &Client<Gobs>) -> Result<(), StartError> {
    match control.call::<Dynamic>("Control.Ping", &true).await {
        Err(RpcError::Refused(refusal)) if !refusal.words().starts_with("rpc: can't find") => {
            Err(StartError::Unhealthy { reason: refusal.words().to_owned() })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn open_stream(session: &Session) -> io::Result<Stream> {
    session.open().await.map_err(|error| io::Error::from(&error))
}

/// Drains what the plugin prints: it would block if nobody did.
async fn pass_on(mut stream: Stream, output: Output, printed: Printed) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        printed.take(output, &buffer[..length]);
    }
}

/// TLS lies around yamux here, and no protocol is agreed on in it: Go offers none.
async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    tls: &TlsConfig,
) -> io::Result<tokio_rustls::client::TlsStream<S>> {
    let mut config = (*tls.connect).clone();
    config.alpn_protocols.clear();
    TlsConnector::from(Arc::new(config)).connect(tls.name.clone(), socket).await
}

/// The name under which every plugin's methods are registered.
pub(super) const SERVICE: &str = "Plugin";
const BUFFER: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netrpc::Server;

    /// What a peer is found to be that refuses a ping with these words, or has no such method.
    async fn found(words: Option<&'static str>) -> Result<(), String> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let server = match words {
            Some(words) => Server::new(Gobs)
                .method("Control.Ping", move |_: bool| async move { Err::<bool, _>(words.to_owned()) }),
            None => Server::new(Gobs),
        };
        let (control, connection) = connect_rpc(ours, Gobs);
        tokio::select! {
            well = well(&control) => well.map_err(|error| error.to_string()),
            served = server.serve(theirs) => panic!("{served:?}"),
            end = connection => panic!("{end:?}"),
        }
    }

    #[tokio::test]
    async fn only_a_plugin_that_refuses_a_ping_is_not_well() {
        assert_eq!(found(Some("tired")).await, Err("the plugin is not well: tired".to_owned()));
        assert_eq!(found(None).await, Ok(()));
    }
}

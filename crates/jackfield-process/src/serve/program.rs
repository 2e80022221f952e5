//! The life of a plugin's program, from its start by a host to its end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use jackfield_core::{Context, Error, Plugin, Service};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::{Network, ServeConfig, Set};
use super::connection::{Accept, Acceptor, Connections};
use super::dispatch::Dispatch;
use super::host_objects::HostObjects;
use super::kept::Pieces;
use super::listener::{Listener, Place};
#[cfg(feature = "netrpc")]
use super::net_rpc;
use super::parent;
use super::reflection::reflect;
use super::stdout::Redirected;
use super::termination;
use super::wire_services::WireServices;
use crate::busy_poll::BusyPoll;
use crate::error::Chain;
use crate::fate::Fate;
use crate::fingerprint::{self, INTERFACE};
use crate::group;
use crate::grpc::{Broker, Brokered, Door, Limit, Mux};
use crate::handshake::{Announcement, MultiplexingOffer, PluginOffer, disagree, negotiate};
use crate::host::{CONFIG, NAME, OFFERS};
use crate::log;
use crate::saving;
use crate::tasks::Tasks;
use crate::tls::{Identity, TlsConfig, TlsError, read_pem};
use crate::yamux::{self, Config, Role};

/// Serves `plugin` in the version of the configuration's handshake: all of `main`; see [`ServeConfig::serve`].
pub fn serve(config: ServeConfig, plugin: &'static Plugin) -> ExitCode {
    config.plugin(plugin).serve()
}

/// Serves what `config` says.
pub(super) fn run(config: ServeConfig) -> ExitCode {
    let cookie = std::env::var_os(&config.handshake.cookie_key);
    if let Err(error) = config.handshake.check(cookie.as_deref()) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    log::install();
    match start(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", Chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// A program could not become a plugin.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error("the plugin's constructor refused: {0}")]
    Constructor(Error),
    #[error("failed to announce the plugin to its host")]
    Announce(#[source] io::Error),
    #[error("failed to listen on a socket")]
    Listen(#[source] io::Error),
    #[error("failed to describe the plugin's services")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to take over the standard output")]
    Stdout(#[source] io::Error),
    #[error("failed to prepare AutoMTLS")]
    Tls(#[from] TlsError),
}

fn start(config: ServeConfig) -> Result<(), ServeError> {
    let stdout = Redirected::take().map_err(ServeError::Stdout)?;
    let (offer, invalid) = PluginOffer::read(|key| std::env::var_os(key));
    invalid.iter().for_each(|entry| tracing::warn!("{entry}"));
    // One thread answers fastest: a request need not wake another core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let busy_poll = BusyPoll::new(config.busy_poll);
    let choice = {
        // A constructor may begin something at the runtime.
        let _entered = runtime.enter();
        Choice::make(config, &offer)?
    };
    drop(runtime.spawn(busy_poll.run()));
    let result = runtime.block_on(live(choice, offer, stdout));
    // A blocking method may never end; the process does.
    runtime.shutdown_background();
    result
}

/// What is served to this host.
pub(super) struct Choice {
    version: i32,
    /// All that there are, if the host has none of them.
    versions: Vec<i32>,
    services: Vec<Service>,
    set: Set,
    host_objects: HostObjects,
    tls: Option<TlsConfig>,
    place: Place,
    limit: Limit,
}

impl Choice {
    pub(super) fn make(config: ServeConfig, offer: &PluginOffer) -> Result<Self, ServeError> {
        let ServeConfig { handshake, mut sets, tls, network, limit, busy_poll: _ } = config;
        let mut versions: Vec<i32> = sets.keys().copied().collect();
        let version = negotiate(&versions, &offer.versions).unwrap_or(handshake.protocol_version);
        if !disagree(&versions, &offer.versions) {
            versions.clear();
        }
        let set = sets.remove(&version).unwrap_or_default();
        let (host_objects, context) = HostObjects::new(offers(), context());
        let services = match set.plugin {
            Some(plugin) => plugin.open_from(&context, saving::find).map_err(ServeError::Constructor)?,
            None => Vec::new(),
        };
        let group =
            offer.socket_group.as_deref().map(group::number).transpose().map_err(ServeError::Listen)?;
        let ports = (network == Network::Tcp).then(|| offer.ports.clone());
        let place = Place { directory: offer.socket_directory.clone(), group, ports };
        Ok(Self { version, versions, services, set, host_objects, tls, place, limit })
    }
}

async fn live(choice: Choice, offer: PluginOffer, stdout: Redirected) -> Result<(), ServeError> {
    let _interrupts = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    let Redirected { mut original, printed, end } = stdout;
    let over = over(parent::gone(), termination::asked(end).map_err(ServeError::Runtime)?);
    #[cfg(feature = "netrpc")]
    if let Some(plugin) = choice.set.net_rpc {
        let (tls, certificate) = secure(choice.tls, &offer)?;
        let listener = Listener::bind(&choice.place).map_err(ServeError::Listen)?;
        let announcement = Announcement {
            certificate,
            versions: choice.versions,
            ..Announcement::new(choice.version, listener.address())
        };
        return net_rpc::live(plugin, (listener, announcement), tls, (original, printed), over).await;
    }
    let live =
        Live::prepare(choice, &offer, printed, &mut |announcement| announce(&mut original, announcement))?;
    tracing::debug!(address = %live.announcement.address, "the plugin listens");
    live.run(over).await;
    Ok(())
}

/// Ends when the host is gone, or somebody ends the plugin from outside: it is to end as if its host had asked for it.
async fn over(parent_gone: impl Future<Output = ()>, asked: impl Future<Output = ()>) {
    tokio::select! {
        () = parent_gone => tracing::warn!("the host is gone"),
        () = asked => tracing::info!("a signal asks the plugin to end"),
    }
}

/// A plugin that listens.
pub(super) struct Live<K> {
    pub(super) announcement: Announcement,
    listener: Listener,
    connections: Connections,
    broker: Broker,
    mux: Option<Arc<Mux>>,
    tasks: Tasks,
    kept: K,
    ending: watch::Sender<bool>,
    end: watch::Receiver<bool>,
}

impl Live<()> {
    /// Must be called in a runtime, on which the plugin then lives. It is announced by `announce` as soon as nothing can go
    /// wrong any more, so that its host connects while the rest is made.
    pub(super) fn prepare(
        choice: Choice,
        offer: &PluginOffer,
        printed: Pieces,
        announce: &mut dyn FnMut(&Announcement) -> io::Result<()>,
    ) -> Result<Live<impl Future<Output = ()> + use<>>, ServeError> {
        let Choice { version, versions, services, set, host_objects, tls, place, limit } = choice;
        let (tls, certificate) = secure(tls, offer)?;
        let listener = Listener::bind(&place).map_err(ServeError::Listen)?;
        let wanted = variable(INTERFACE);
        let is_wanted = |service: &Service| Some(fingerprint::of(service.schema())) == wanted;
        let announcement = Announcement {
            certificate,
            multiplexing: offer.multiplexing.answer(),
            versions,
            conforms: wanted.is_some() && services.iter().any(is_wanted),
            ..Announcement::new(version, listener.address())
        };
        // What the program brings of its own may be wrong.
        let has_own = set.services.is_some();
        if !has_own {
            announce(&announcement).map_err(ServeError::Announce)?;
        }
        let (tasks, kept) = Tasks::here();
        let mux = (offer.multiplexing == MultiplexingOffer::Wanted).then(Mux::default).map(Arc::new);
        let fate = Fate::of_host(tasks.clone());
        let broker = Broker::new(Brokered {
            tasks: tasks.clone(),
            place,
            tls: tls.clone(),
            translator: None,
            fate,
            mux: mux.clone(),
            limit,
        });

        let (ending, end) = watch::channel(false);
        let own = set.services.map(|make| make(&broker));
        let (routes, descriptors) = own.map(|own| (own.routes, own.descriptors)).unzip();
        let interfaces: Vec<_> = services.iter().map(Service::schema).collect();
        let wire = WireServices { ending: ending.clone(), end: end.clone(), printed, broker: broker.clone() };
        let wire = reflect(wire.named(), interfaces, descriptors.unwrap_or_default())?;
        let objects = broker.clone();
        tasks.keep(async move {
            objects.opened().await;
            host_objects.connect(objects).await;
        });
        let dispatch = Arc::new(Dispatch::new(services, broker.clone()).with(wire, routes));
        let acceptor = tls.map_or(Acceptor::Plain, |tls| tls.accept.into());
        if has_own {
            announce(&announcement).map_err(ServeError::Announce)?;
        }
        let connections = Connections::new(acceptor, dispatch, end.clone());
        Ok(Live { announcement, listener, connections, broker, mux, tasks, kept, ending, end })
    }
}

impl<K: Future<Output = ()>> Live<K> {
    /// Serves until the host asks the plugin to end, or `over` does; then lets what was begun end.
    pub(super) async fn run(self, over: impl Future<Output = ()>) {
        let Self { mut listener, mut connections, broker, mux, tasks, kept, ending, end, .. } = self;
        let mut kept = pin!(kept);
        tokio::select! {
            () = accept(&mut connections, &mut listener, mux, &tasks) => {}
            () = ended(end) => {}
            () = kept.as_mut() => {}
            () = over => {}
        }
        // Whoever ended it: no further calls are taken on the connections.
        ending.send_replace(true);
        drop(listener);
        broker.close();
        connections.finish().await;
    }
}

/// Serves every connection of the host: each a socket, or each a stream over the first.
async fn accept(
    connections: &mut Connections,
    listener: &mut Listener,
    mux: Option<Arc<Mux>>,
    tasks: &Tasks,
) {
    let Some(mux) = mux else { return connections.accept_from(listener).await };
    let socket = match listener.accept().await {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "the host's connection could not be accepted"),
    };
    let (session, driver) = yamux::session(socket, Role::Server, Config::default());
    // What the host is still told at the end goes through it too, so it outlives this.
    tasks.keep(async { drop(driver.await) });
    mux.begin(session.clone());
    let (main, mut door) = Door::main();
    tokio::select! {
        end = session.ended() => tracing::debug!(%end, "the host's connection ended"),
        () = mux.distribute(Some(main)) => {}
        () = connections.accept_from(&mut door) => {}
    }
}

/// The TLS to speak: the program's own, or else AutoMTLS if the host asked for it.
fn secure(
    own: Option<TlsConfig>,
    offer: &PluginOffer,
) -> Result<(Option<TlsConfig>, Option<Vec<u8>>), ServeError> {
    let Some(pem) = offer.certificate.as_ref().filter(|_| own.is_none()) else { return Ok((own, None)) };
    let identity = Identity::generate()?;
    let tls = TlsConfig::pinned(&identity, read_pem(pem)?)?;
    Ok((Some(tls), Some(identity.certificate().to_vec())))
}

pub(super) fn announce(stdout: &mut impl Write, announcement: &Announcement) -> io::Result<()> {
    stdout.write_all(format!("{announcement}\n").as_bytes())?;
    stdout.flush()
}

/// What the host configured; nothing, if it is none of ours.
pub(crate) fn context() -> Context {
    Context::new(variable(NAME).unwrap_or_default(), pairs(CONFIG))
}

/// The names and interfaces of what the host offers.
pub(super) fn offers() -> Vec<(String, String)> {
    pairs(OFFERS)
}

fn pairs(key: &str) -> Vec<(String, String)> {
    variable(key).and_then(|pairs| serde_json::from_str(&pairs).ok()).unwrap_or_default()
}

fn variable(key: &str) -> Option<String> {
    std::env::var_os(key).map(OsString::into_string).and_then(Result::ok)
}

/// Ends when somebody said that the plugin should.
pub(super) async fn ended(mut end: watch::Receiver<bool>) {
    // If nobody can say it any more, the plugin has ended too.
    let _gone_too = end.wait_for(|end| *end).await;
}

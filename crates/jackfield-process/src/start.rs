//! Starts one plugin, phase by phase: spawn, announcement, connection.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jackfield_core::OfferedObject;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::backend::Shared;
use crate::checksum::Checksum;
use crate::child::{
    Bond, ChildHandle, Death, FirstLines, Launch, Logs, Mark, PendingSockets, Traces, spawn, supervise,
};
use crate::error::{BackendError, StartError};
use crate::fate::Fate;
use crate::group;
use crate::grpc::{
    Broker, BrokerError, Brokered, ConnectError, Connection, Cutter, Executor, Limit, Mux, Session, Target,
    open,
};
use crate::handshake::{Address, Announcement, Handshake, HandshakeError, HostOffer, Multiplexing, Protocol};
use crate::io::Task;
use crate::liveness::{self, Liveness};
use crate::printed::{Printed, Stderr};
use crate::pump::Pump;
use crate::reattach::{Keys, Reattach};
use crate::runner::{Program, Runner, Translator};
use crate::saving::{self, Files, SAVED};
use crate::serve::{DETACHED, Place};
use crate::tls::{Identity, TlsConfig, TlsError, is_certificate};
use crate::yamux::{self, Config, Role};

/// Everything that is needed to start a plugin.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// What the plugin is called in logs.
    pub(crate) name: String,
    /// What to start.
    pub(crate) launch: Launch,
    /// What to agree on.
    pub(crate) handshake: Handshake,
    /// The versions of the application's protocol that will do.
    pub(crate) versions: Vec<i32>,
    /// Whether to speak TLS.
    pub(crate) security: Security,
    /// How long the plugin may take to announce itself.
    pub(crate) start_timeout: Duration,
    /// Where what it prints goes.
    pub(crate) printed: Printed,
    /// Where what it writes to its standard error goes, besides the log.
    pub(crate) stderr: Stderr,
    /// Whether all connections share a socket.
    pub(crate) multiplexing: Multiplexing,
    /// The ports that it may take.
    pub(crate) ports: RangeInclusive<u16>,
    /// The group that may connect to its sockets.
    pub(crate) socket_group: Option<String>,
    /// What its program must be.
    pub(crate) checksum: Option<Checksum>,
    /// What runs it elsewhere.
    pub(crate) runner: Option<Arc<dyn Runner>>,
    /// What it may speak.
    pub(crate) protocols: Vec<Protocol>,
    /// How large a message may be.
    pub(crate) limit: Limit,
    /// How long it may leave a question unanswered.
    pub(crate) liveness: Option<Duration>,
    /// What this host offers it.
    pub(crate) offers: Vec<OfferedObject>,
    /// What the plugin that it replaces has saved, by interface.
    pub(crate) saved: Vec<(String, Bytes)>,
}

/// Whether a connection is encrypted and both ends are known.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// Each side makes a certificate, and each accepts only the other's.
    AutoMtls,
    /// Each side brings what it needs.
    Own(TlsConfig),
    /// The socket's permissions must do.
    Plain,
}

/// A plugin that runs and is connected.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its process.
    pub(crate) child: Arc<ChildHandle>,
    /// The connection on the I/O thread.
    pub(crate) connection: Connection,
    /// Does the work of that connection.
    pub(crate) pump: Pump,
    /// How to make another connection.
    pub(crate) target: Target,
    /// How to make connections beside it.
    pub(crate) broker: Broker,
    /// The version of the application's protocol that it chose.
    pub(crate) version: i32,
    /// What another host needs to connect, under AutoMTLS.
    pub(crate) keys: Option<Keys>,
    /// Where it is said that it can no longer be called.
    pub(crate) ending: watch::Sender<Option<End>>,
    /// Asks whether it lives, as long as this is held.
    pub(crate) liveness: Option<Task<()>>,
}

/// Why a plugin can no longer be called.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// This host gave the connection up, for what it says here.
    Broken(String),
    /// Its process ended.
    Died(Arc<Death>),
    /// Nobody drives the connection any more.
    #[cfg(feature = "netrpc")]
    Abandoned,
    /// It closed the connection, but goes on.
    Disconnected,
    /// This host unloads it.
    Unloaded,
    /// It left a question unanswered for so long, and was killed.
    Wedged(Duration),
}

/// A plugin that runs and says where it can be reached.
pub(crate) struct Announced {
    /// Its process.
    pub(crate) child: ChildHandle,
    /// What leads to it.
    pub(crate) wires: Wires,
    /// Where its sockets lie, which go if the plugin is refused.
    pub(crate) sockets: PendingSockets,
    /// What it speaks.
    #[cfg_attr(not(feature = "netrpc"), expect(dead_code, reason = "it can only be gRPC"))]
    pub(crate) protocol: Protocol,
    /// Whether it says that it serves exactly what is wanted.
    pub(crate) conforms: bool,
}

/// Starts a plugin over gRPC. Must run on the I/O thread; whatever was begun ends if this is given up.
pub(crate) async fn start(shared: &Arc<Shared>, plan: Plan) -> Result<Started, StartError> {
    let Announced { child, wires, sockets, .. } = announce(shared, &plan).await?;
    let connected = timeout(plan.start_timeout, connect(shared, child, wires, plan.printed)).await;
    let started = connected.map_err(|_| StartError::Timeout(plan.start_timeout))??;
    offer(&started.broker, plan.offers).await?;
    sockets.keep();
    Ok(started)
}

/// Serves what the host offers. It has the first numbers of the broker's, in this order.
pub(crate) async fn offer(broker: &Broker, offers: Vec<OfferedObject>) -> Result<(), StartError> {
    for offer in offers {
        match broker.serve_object(offer.service).await {
            Ok(_) => {}
            // The plugin has no broker, or is gone, which others notice.
            Err(BrokerError::Closed) => return Ok(()),
            Err(error) => return Err(StartError::Offer(error)),
        }
    }
    Ok(())
}

/// Starts a plugin as far as it does not matter what it speaks.
pub(crate) async fn announce(shared: &Arc<Shared>, plan: &Plan) -> Result<Announced, StartError> {
    let identity = match plan.security {
        Security::AutoMtls => Some(Identity::generate()?),
        Security::Own(_) | Security::Plain => None,
    };
    let image = match plan.checksum {
        Some(checksum) => Some(checksum.image(&plan.launch).await?),
        None => None,
    };
    let place = place(shared, plan)?;
    let sockets = PendingSockets::new(place.directory.clone());
    let saved = write_saved(shared, plan, &place).await?;
    let (child, line) = launch(shared, plan, identity.as_ref(), &place, (image, saved.as_ref()))?;
    let translator = plan.runner.clone().map(|runner| Translator {
        runner,
        sockets: place.directory.clone().unwrap_or_else(|| shared.sockets.path().to_owned()),
    });
    tracing::debug!(plugin = plan.name, "waiting for a plugin's address");
    let announcement = hear(&child, line, plan).await;
    // It has been constructed, or will not be.
    if let Some(saved) = saved {
        saving::remove(saved);
    }
    let mut announcement = announcement.map_err(|error| diagnosed(error, plan.runner.as_deref()))?;
    if let Some(translator) = &translator {
        announcement.address = translator.plugin_to_host(announcement.address);
    }
    let Announcement { version, protocol, conforms, .. } = announcement;
    let address = announcement.address.to_string();
    tracing::debug!(plugin = plan.name, address, version, %protocol, "using a plugin");
    let keys = identity.as_ref().zip(announcement.certificate.clone()).map(|(identity, peer)| Keys {
        certificate: identity.certificate().to_vec(),
        key: identity.key_bytes(),
        peer,
    });
    let mut target = aim(announcement, identity.as_ref(), plan.security.clone())?;
    if plan.launch.bond == Bond::Tight {
        guard(shared, &target.address);
    }
    let trunk = match (plan.multiplexing, protocol) {
        (Multiplexing::On, Protocol::Grpc) => Some(multiplex(shared, &mut target).await?),
        (Multiplexing::On, Protocol::NetRpc) | (Multiplexing::Off, _) => None,
    };
    let Plan { limit, liveness, .. } = *plan;
    let wires = Wires { target, trunk, place, translator, version, keys, limit, liveness };
    Ok(Announced { child, wires, sockets, protocol, conforms })
}

fn launch(
    shared: &Shared,
    plan: &Plan,
    identity: Option<&Identity>,
    place: &Place,
    (image, saved): (Option<OwnedFd>, Option<&Files>),
) -> Result<(ChildHandle, FirstLines), StartError> {
    let instance = Mark::instance().map_err(BackendError::Mark)?;
    let certificate = identity.map(Identity::pem);
    let offer = HostOffer {
        handshake: &plan.handshake,
        versions: &plan.versions,
        certificate: certificate.as_deref(),
        socket_directory: place.directory.as_deref(),
        socket_group: plan.socket_group.as_deref(),
        ports: &plan.ports,
        multiplexing: plan.multiplexing,
    };
    let mut launch = plan.launch.clone();
    launch.variables.extend(offer.variables());
    let mut marks = vec![&instance];
    match launch.bond {
        Bond::Tight => marks.push(&shared.mark),
        Bond::Lent | Bond::Loose => launch.variables.push((DETACHED.into(), "1".into())),
    }
    if let Some(saved) = saved {
        launch.variables.push((SAVED.into(), saved.path().into()));
    }
    for mark in marks {
        launch.variables.push((OsString::from(mark.name()), OsString::from(mark.value())));
    }
    if let Some(runner) = &plan.runner {
        let sockets = place.directory.as_deref().unwrap_or(shared.sockets.path());
        launch = runner.wrap(Program::of(&launch, sockets)).into_launch(&launch);
    }
    tracing::debug!(plugin = plan.name, program = %launch.program.display(), "starting a plugin");
    let process = spawn(&launch, image.as_ref(), &shared.guard)
        .map_err(|source| StartError::Spawn { program: launch.program.display().to_string(), source })?;
    tracing::debug!(plugin = plan.name, pid = process.child.id(), "started a plugin");
    let logs = Logs::new(plan.name.clone(), plan.stderr.clone());
    let traces = Traces { mark: instance, sockets: place.directory.clone() };
    let (child, line, supervisor) =
        supervise(process, logs, traces, launch.bond).map_err(StartError::Supervise)?;
    shared.io.keep(supervisor);
    Ok((child, line))
}

/// Writes what was saved to where the plugin finds it, which may be the host's directory even if its socket is not.
async fn write_saved(shared: &Shared, plan: &Plan, place: &Place) -> Result<Option<Files>, StartError> {
    let within = place.directory.clone().unwrap_or_else(|| shared.sockets.path().to_owned());
    saving::write(within, plan.saved.clone()).await.map_err(StartError::Saved)
}

/// Says what the runner knows, too.
fn diagnosed(error: StartError, runner: Option<&dyn Runner>) -> StartError {
    match runner.and_then(Runner::diagnose) {
        Some(diagnosis) => StartError::Runner { diagnosis, source: Box::new(error) },
        None => error,
    }
}

/// Waits for the plugin's announcement. What a careless plugin prints before it is passed over.
async fn hear(child: &ChildHandle, mut lines: FirstLines, plan: &Plan) -> Result<Announcement, StartError> {
    let deadline = Instant::now() + plan.start_timeout;
    let (mut patience, mut noise) = (deadline, None);
    loop {
        let heard = timeout_at(patience, lines.recv()).await;
        let source = match (heard, noise.take()) {
            (Ok(Some(line)), before) => match accept(&line, plan) {
                Ok(announcement) => return Ok(announcement),
                Err(source) if source.is_noise() => {
                    tracing::warn!(
                        plugin = plan.name,
                        line,
                        "a plugin printed something before its handshake"
                    );
                    noise = before.or(Some(source));
                    patience = deadline.min(Instant::now() + NOISE);
                    continue;
                }
                Err(source) => source,
            },
            (Ok(None) | Err(_), Some(source)) => source,
            (Ok(None), None) => {
                return Err(match last_words(child).await {
                    Some(death) => StartError::exited(death),
                    None => StartError::NoLine,
                });
            }
            (Err(_), None) => return Err(StartError::Timeout(plan.start_timeout)),
        };
        return Err(StartError::Handshake { source, death: last_words(child).await });
    }
}

/// A program that prints an error and ends is told apart from one that goes on.
async fn last_words(child: &ChildHandle) -> Option<Arc<Death>> {
    timeout(LAST_WORDS, child.died()).await.ok()
}

fn accept(line: &str, plan: &Plan) -> Result<Announcement, HandshakeError> {
    let announcement: Announcement = line.parse()?;
    if !plan.versions.contains(&announcement.version) {
        let expected = plan.versions.clone();
        let Announcement { version: found, versions: own, .. } = announcement;
        return Err(HandshakeError::IncompatibleVersion { expected, found, own });
    }
    if !plan.protocols.contains(&announcement.protocol) {
        return Err(HandshakeError::UnsupportedProtocol { found: announcement.protocol });
    }
    if plan.multiplexing == Multiplexing::On && announcement.multiplexing != Some(true) {
        return Err(HandshakeError::NoMultiplexing);
    }
    match (&plan.security, &announcement.certificate) {
        (Security::AutoMtls, None) => Err(HandshakeError::MissingCertificate),
        (Security::Own(_) | Security::Plain, Some(_)) => Err(HandshakeError::UnwantedCertificate),
        (Security::AutoMtls, Some(certificate)) if !is_certificate(certificate) => {
            Err(HandshakeError::CertificateBytes { length: certificate.len() })
        }
        (Security::AutoMtls, Some(_)) | (Security::Own(_) | Security::Plain, None) => Ok(announcement),
    }
}

/// Plugins that know nothing of the host's directory put their socket elsewhere.
fn guard(shared: &Shared, address: &Address) {
    if let Some(socket) = address.file()
        && !socket.starts_with(shared.sockets.path())
    {
        shared.guard.watch(socket);
    }
}

fn aim(
    announcement: Announcement,
    identity: Option<&Identity>,
    security: Security,
) -> Result<Target, StartError> {
    let tls = match (security, identity, announcement.certificate) {
        (Security::Own(tls), ..) => Some(tls),
        (_, Some(identity), Some(certificate)) => {
            Some(TlsConfig::pinned(identity, CertificateDer::from(certificate))?)
        }
        _ => None,
    };
    Ok(Target { address: announcement.address, tls, mux: None })
}

/// Opens the one socket, and makes further connections streams over it. Gives what ends them all.
async fn multiplex(shared: &Shared, target: &mut Target) -> Result<Cutter, StartError> {
    let (socket, cutter) = open(&target.address).await.map_err(ConnectError::Socket)?;
    let (session, driver) = yamux::session(socket, Role::Client, Config::default());
    let mux = Arc::new(Mux::default());
    mux.begin(session);
    target.mux = Some(Arc::clone(&mux));
    shared.io.keep(async move {
        let end = driver.await;
        tracing::debug!(%end, "the socket to a plugin ended");
    });
    shared.io.keep(async move { mux.distribute(None).await });
    Ok(cutter)
}

/// Where both sides put their sockets: in a directory of their own, which is found again however the plugin ends.
fn place(shared: &Shared, plan: &Plan) -> Result<Place, StartError> {
    if plan.launch.bond != Bond::Tight {
        // This host's directory goes with the host.
        return Ok(Place::default());
    }
    let group = plan.socket_group.as_deref().map(group::number).transpose();
    let group = group.map_err(BackendError::SocketDirectory)?;
    let directory = shared.sockets.for_plugin(group).map_err(BackendError::SocketDirectory)?;
    Ok(Place { directory: Some(directory), group, ports: None })
}

/// What leads to a plugin.
pub(crate) struct Wires {
    /// Where it can be reached, and how.
    pub(crate) target: Target,
    /// What ends all connections at once, if they share a socket.
    trunk: Option<Cutter>,
    place: Place,
    translator: Option<Translator>,
    pub(crate) version: i32,
    pub(crate) keys: Option<Keys>,
    limit: Limit,
    pub(crate) liveness: Option<Duration>,
}

impl Wires {
    /// To a plugin that runs already.
    pub(crate) fn attached(reattach: &Reattach, place: Place) -> Result<Self, TlsError> {
        let target = Target { address: reattach.address.clone(), tls: reattach.tls()?, mux: None };
        let (version, keys) = (reattach.protocol_version, reattach.keys.clone());
        let limit = Limit::default();
        Ok(Self { target, trunk: None, place, translator: None, version, keys, limit, liveness: None })
    }
}

/// Connects to a plugin and keeps its streams.
pub(crate) async fn connect(
    shared: &Shared,
    child: ChildHandle,
    Wires { target, trunk, place, translator, version, keys, limit, liveness }: Wires,
    printed: Printed,
) -> Result<Started, ConnectError> {
    let pump = Pump::start(shared.io.tasks());
    let connected = target.connect(Executor::Of(shared.io.tasks())).await?;
    let child = Arc::new(child);
    let (sender, end) = watch::channel(None);
    let ending = sender.clone();
    let tasks = shared.io.tasks();
    let broker = Broker::new(Brokered {
        place,
        translator,
        tls: target.tls.clone(),
        fate: Fate::of_plugin(tasks.clone(), end),
        mux: target.mux.clone(),
        tasks,
        limit,
    });
    let session = Session::new(connected.connection.clone(), printed, broker.clone());
    let died = child.died();
    let cutter = trunk.unwrap_or(connected.cutter);
    let breach = connected.connection.breach();
    let (driving, closed, gone) = (pump.ask(connected.driver), connected.connection.closed(), child.died());
    // Apart from each other: what the host does with the plugin's output must not end the connection.
    shared.io.keep(session.run());
    shared.io.keep(async move {
        let end = live(closed, died, &cutter).await;
        let breach = breach.get().filter(|_| matches!(end, End::Disconnected)).cloned();
        tell(&sender, breach.map_or(end, End::Broken));
        // What is under way goes on.
        tokio::select! {
            _ = driving => {}
            _ = gone => {}
        }
    });
    let liveness = liveness.map(|patience| {
        let connection = connected.connection.clone();
        let liveness = Liveness { patience, child: Arc::downgrade(&child), ending: ending.clone() };
        shared.io.start_task(liveness.keep_asking(move || liveness::ask(connection.clone())))
    });
    Ok(Started {
        liveness,
        ending,
        child,
        connection: connected.connection,
        pump,
        target,
        broker,
        version,
        keys,
    })
}

/// Says why a plugin can no longer be called. What was said first counts.
pub(crate) fn tell(ending: &watch::Sender<Option<End>>, end: End) {
    ending.send_if_modified(|said| {
        let is_first = said.is_none();
        said.get_or_insert(end);
        is_first
    });
}

/// Drives the main connection until it or the process ends.
pub(crate) async fn live(
    driver: impl Future<Output = ()>,
    died: impl Future<Output = Arc<Death>>,
    cutter: &Cutter,
) -> End {
    tokio::pin!(driver, died);
    tokio::select! {
        () = &mut driver => match timeout(EXIT, died).await {
            Ok(death) => End::Died(death),
            Err(_) => End::Disconnected,
        },
        death = &mut died => {
            // What the plugin answered before its end is still in the socket. If a process that it started
            // holds the other end, nothing more comes and nothing ends.
            let _drained = timeout(GRACE, driver).await;
            cutter.cut();
            End::Died(death)
        }
    }
}

/// What a dead process left in the socket is read within microseconds.
pub(crate) const GRACE: Duration = Duration::from_millis(5);
/// A plugin that was asked to end closes its connections, then its runtime, then exits.
pub(crate) const EXIT: Duration = Duration::from_millis(100);
/// How long a plugin that printed something else may take to say what it is.
const NOISE: Duration = Duration::from_secs(2);
/// How long a program that printed something else than a handshake may take to end.
const LAST_WORDS: Duration = Duration::from_millis(200);

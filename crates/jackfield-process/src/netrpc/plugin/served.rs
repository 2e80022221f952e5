//! The plugin's end: each connection of the host, with its three streams and what is dispensed on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::broker::MuxBroker;
use super::host::SERVICE;
use crate::fate::Fate;
use crate::gob::Empty;
use crate::grpc::Socket;
use crate::netrpc::binding::Brokerage;
use crate::netrpc::{Gobs, Server};
use crate::serve::Pieces;
use crate::tasks::Tasks;
use crate::yamux::{Config, Role, Session, SessionError, Stream, session};

/// Makes what a host dispenses by name; an error is for the host.
pub(crate) type Dispenser = Box<dyn Fn(&str) -> Result<Server<Gobs>, String> + Send + Sync>;

/// Makes the dispenser of one connection, over which the objects of both sides go.
pub(crate) type Dispensers = Arc<dyn Fn(Brokerage) -> Dispenser + Send + Sync>;

/// All connections, which end when this is dropped.
pub(crate) struct Hosts {
    plugin: Arc<Plugin>,
    acceptor: Option<TlsAcceptor>,
    tasks: JoinSet<()>,
}

/// What is the same on every connection.
struct Plugin {
    dispensers: Dispensers,
    ending: watch::Sender<bool>,
    printed: Mutex<Pieces>,
    work: Tasks,
}

impl Hosts {
    /// None yet. `ending` says that the plugin should end; what the host keeps of it lives on `work`.
    pub(crate) fn new(
        dispensers: Dispensers,
        tls: Option<&ServerConfig>,
        ending: watch::Sender<bool>,
        (printed, work): (Pieces, Tasks),
    ) -> Self {
        let acceptor = tls.map(|tls| {
            let mut config = tls.clone();
            // Go offers no protocol here, and TLS lies around yamux.
            config.alpn_protocols.clear();
            TlsAcceptor::from(Arc::new(config))
        });
        let plugin = Plugin { dispensers, ending, printed: Mutex::new(printed), work };
        Self { plugin: Arc::new(plugin), acceptor, tasks: JoinSet::new() }
    }

    /// Serves one more connection.
    pub(crate) fn serve(&mut self, socket: Socket) {
        while self.tasks.try_join_next().is_some() {}
        let plugin = Arc::clone(&self.plugin);
        let acceptor = self.acceptor.clone();
        self.tasks.spawn(async move {
            match acceptor {
                None => plugin.talk(socket).await,
                Some(acceptor) => match timeout(TLS_PATIENCE, acceptor.accept(socket)).await {
                    Ok(Ok(socket)) => plugin.talk(Box::new(socket)).await,
                    Ok(Err(error)) => tracing::warn!(%error, "somebody who is not the host was refused"),
                    Err(_) => tracing::warn!("somebody connected, but did not begin TLS"),
                },
            }
        });
    }

    /// Lets the host hear the last answers and close its connections, within the time in which it keeps patience.
    pub(crate) async fn finish(self) {
        let _in_time = timeout(PATIENCE, self.tasks.join_all()).await;
    }
}

impl Plugin {
    async fn talk(&self, socket: Socket) {
        let (session, driver) = session(socket, Role::Server, Config::default());
        tokio::select! {
            end = driver => tracing::debug!(%end, "a connection of the host ended"),
            end = self.answer(&session) => if let Err(end) = end {
                tracing::debug!(%end, "a connection of the host ended early");
            },
        }
    }

    /// Answers on the three streams, and on those that are dispensed, until the host is gone.
    async fn answer(&self, session: &Session) -> Result<(), SessionError> {
        let control = session.accept().await?;
        let stdout = session.accept().await?;
        // What the program prints to its standard error reaches the host by its pipe. The stream stays open.
        let _stderr = session.accept().await?;
        let broker = Arc::new(MuxBroker::new(session.clone()));
        let (dispensed, mut to_serve) = mpsc::unbounded_channel();
        let server = self.control(&broker, dispensed);
        let dispensing = async {
            let mut serving = JoinSet::new();
            loop {
                tokio::select! {
                    Some((id, server)) = to_serve.recv() => {
                        serving.spawn(serve(Arc::clone(&broker), id, server));
                    }
                    Some(_) = serving.join_next() => {}
                    else => return,
                }
            }
        };
        tokio::select! {
            end = broker.run() => Err(end),
            served = server.serve(control) => {
                if let Err(error) = served {
                    tracing::debug!(%error, "the host's calls of the plugin itself ended");
                }
                // What else the host does on this connection goes on until it closes it.
                Err(session.ended().await)
            }
            () = dispensing => Ok(()),
            () = self.pass_on(stdout) => Err(session.ended().await),
        }
    }

    fn control(
        &self,
        broker: &Arc<MuxBroker>,
        dispensed: mpsc::UnboundedSender<(u32, Server<Gobs>)>,
    ) -> Server<Gobs> {
        let ending = self.ending.clone();
        let (tasks, fate) = (self.work.clone(), Fate::of_host(self.work.clone()));
        let dispenser =
            (self.dispensers)(Brokerage { broker: Arc::clone(broker), clock: tasks.clone(), tasks, fate });
        let broker = Arc::clone(broker);
        Server::new(Gobs)
            .method("Control.Ping", |_: bool| async { Ok::<_, String>(Empty {}) })
            .method("Control.Quit", move |_: bool| {
                // The answer still gets out: connections are given time for that.
                ending.send_replace(true);
                async { Ok::<_, String>(Empty {}) }
            })
            .method("Dispenser.Dispense", move |name: String| {
                let made = dispenser(&name).map(|server| {
                    let id = broker.next_id();
                    // It is received as long as calls are.
                    let _received = dispensed.send((id, server));
                    id
                });
                async { made }
            })
    }

    /// Passes on what the program prints. Of two connections, each gets what the other does not.
    async fn pass_on(&self, mut stdout: Stream) {
        loop {
            let Some(piece) = self.printed.lock().await.next().await else {
                return std::future::pending().await;
            };
            if let Err(error) = stdout.write_all(&piece).await {
                tracing::debug!(%error, "the host does not take what the program prints");
                return;
            }
        }
    }
}

async fn serve(broker: Arc<MuxBroker>, id: u32, server: Server<Gobs>) {
    let served: io::Result<_> = async { Ok(server.serve(broker.accept(id).await?).await) }.await;
    match served {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the host's calls ended"),
        Err(error) => tracing::warn!(%error, "the host did not come for what it asked for"),
    }
}

/// The name under which a plugin's methods are registered.
pub(crate) const NAME: &str = SERVICE;
const TLS_PATIENCE: Duration = Duration::from_secs(10);
/// A Go host kills after two seconds.
const PATIENCE: Duration = Duration::from_millis(1500);

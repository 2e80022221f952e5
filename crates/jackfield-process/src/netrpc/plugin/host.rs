//! The host's end: the first three streams, and the dispense of one plugin.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use jackfield_core::{LoadErrorKind, Schema};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::broker::MuxBroker;
use super::instance::NetRpcInstance;
use crate::backend::Shared;
use crate::error::StartError;
use crate::fate::Fate;
use crate::grpc::{ConnectError, open};
use crate::netrpc::binding::{Arguments, RpcChannel, check};
use crate::netrpc::{Client, Gobs, RpcError, connect as connect_rpc};
use crate::printed::{Printed, Stream as Output};
use crate::start::{Announced, Wires, live};
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
/// A method of the interface is called by its name in Go, such as `Get`. One argument is passed by itself, several as a
/// struct whose fields are called as Go spells the arguments' names, none as a nil `interface{}`. What net/rpc cannot
/// carry is refused when the plugin is loaded.
#[derive(Debug, Clone)]
#[must_use]
pub struct NetRpc {
    plugin: String,
    arguments: HashMap<String, Arguments>,
}

impl NetRpc {
    /// Talks to the plugin that has the name `plugin` in its program.
    pub fn new(plugin: impl Into<String>) -> Self {
        Self { plugin: plugin.into(), arguments: HashMap::new() }
    }

    /// Passes the arguments of `method` as a `map[string]interface{}`, under the names that they have in the interface.
    pub fn map_arguments(mut self, method: impl Into<String>) -> Self {
        self.arguments.insert(method.into(), Arguments::Map);
        self
    }
}

/// Connects to a plugin that has announced itself. Must run on the I/O thread.
pub(crate) async fn connect(
    shared: &Arc<Shared>,
    announced: Announced,
    options: &NetRpc,
    (schema, printed): (&'static Schema, Printed),
) -> Result<NetRpcInstance, LoadErrorKind> {
    check(schema).map_err(|unfit| LoadErrorKind::backend("process", unfit))?;
    let Announced { child, wires: Wires { target, .. }, .. } = announced;
    let (socket, cutter) =
        open(&target.address).await.map_err(ConnectError::Socket).map_err(StartError::from)?;
    let (session, driver) = match &target.tls {
        None => session(socket, Role::Client, Config::default()),
        Some(tls) => {
            let socket = encrypt(socket, tls).await.map_err(ConnectError::Tls).map_err(StartError::from)?;
            session(socket, Role::Client, Config::default())
        }
    };
    let child = Arc::new(child);
    let (ended, end) = watch::channel(None);
    let died = child.died();
    shared.io.keep(async move {
        let driver = async {
            let end = driver.await;
            tracing::debug!(%end, "the connection to a plugin ended");
        };
        ended.send_replace(Some(live(driver, died, &cutter).await));
    });
    let (control, plugin) = begin(shared, &session, options, printed).await.map_err(StartError::from)?;
    let service = SERVICE.to_owned();
    let fate = Fate::of_plugin(shared.io.tasks(), end);
    let channel =
        RpcChannel::new(plugin, service, options.arguments.clone(), fate.clone(), Arc::clone(shared));
    let (channel, address, shared) = (Arc::new(channel), target.address, Arc::clone(shared));
    Ok(NetRpcInstance { child, control, channel, fate, address, shared })
}

/// Opens the three streams in the order that a plugin expects, and the one of its service.
async fn begin(
    shared: &Shared,
    session: &Session,
    options: &NetRpc,
    printed: Printed,
) -> Result<(Client<Gobs>, Client<Gobs>), RpcError> {
    let control = open_stream(session).await?;
    for output in [Output::Stdout, Output::Stderr] {
        shared.io.keep(pass_on(open_stream(session).await?, output, printed.clone()));
    }
    let broker = Arc::new(MuxBroker::new(session.clone()));
    let running = Arc::clone(&broker);
    shared.io.keep(async move { drop(running.run().await) });

    let (control, connection) = connect_rpc(control, Gobs);
    shared.io.keep(async move { drop(connection.await) });
    let id: u32 = control.call("Dispenser.Dispense", options.plugin.as_str()).await?;
    let (plugin, connection) = connect_rpc(broker.dial(id).await?, Gobs);
    shared.io.keep(async move { drop(connection.await) });
    Ok((control, plugin))
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

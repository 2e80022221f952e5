//! Attaches a host to a plugin that runs already.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::backend::ProcessBackend;
use crate::channel::Link;
use crate::child::{Bond, ProcessHandle, attend, listens};
use crate::grpc::{ConnectError, open};
use crate::handshake::{Address, Protocol};
use crate::printed::Printed;
use crate::reattach::{Owner, Reattach};
use crate::running::Running;
use crate::serve::Place;
use crate::start::{Wires, connect};
use crate::tls::TlsError;

impl Reattach {
    /// Attaches this host to the plugin, for calls that generated clients of `tonic` make.
    ///
    /// The plugin goes on when what this returns is dropped; only [`stop`](Running::stop) ends it. Its log stays with
    /// whoever started it; what it prints comes here from now on.
    ///
    /// Its process is killed, if it does not end when it is asked, only if it is known to be the one that listens on the
    /// socket: the number that this holds may be another's by now.
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
            if reattach.protocol != Protocol::Grpc {
                return Err(AttachError::Protocol { found: reattach.protocol });
            }
            let process = find(&reattach).await?;
            let bond = match reattach.owner {
                Owner::Host => Bond::Loose,
                Owner::Somebody => Bond::Lent,
            };
            let (child, watch) = attend(reattach.pid, process, bond).map_err(AttachError::Watch)?;
            shared.io.keep(watch);
            tracing::debug!(plugin = name, pid = reattach.pid, "attached to a plugin");
            let wires = Wires::attached(&reattach, Place::of(&shared.sockets))?;
            let connecting = connect(&shared, child, wires, Printed::default());
            let started = timeout(PATIENCE, connecting).await.map_err(|_| AttachError::Silent)??;
            Ok((started, shared))
        });
        let (started, shared) = attaching.await.map_err(|_| AttachError::NoThread)??;
        Ok(Running::new(Link { started, shared, lanes: None }))
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

//! A plugin that was started without an interface, for clients that `tonic` generates.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use jackfield_core::{CallError, Instance, Unloaded};
use tokio::time::timeout;

use crate::channel::Link;
use crate::grpc::{Broker, GrpcChannel};
use crate::instance::ProcessInstance;
use crate::reattach::Reattach;

/// A plugin in its own process. Dropping it kills the process.
///
/// ```no_run
/// # use jackfield_process::{Handshake, ProcessPlugin};
/// # async fn host() -> Result<(), Box<dyn std::error::Error>> {
/// let plugin = ProcessPlugin::new("plugins/counter").handshake(Handshake::new(1, "BASIC_PLUGIN", "hello"));
/// let counter = plugin.start("counter").await?;
/// counter.ping(std::time::Duration::from_secs(1)).await?;
/// let channel = counter.channel(); // for `CounterClient::new(channel)`, which `tonic` generates
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Running {
    instance: ProcessInstance,
}

impl Running {
    pub(crate) fn new(link: Link) -> Self {
        Self { instance: ProcessInstance::new(link) }
    }

    /// The main connection, for generated clients.
    pub fn channel(&self) -> GrpcChannel {
        let started = &self.link().started;
        GrpcChannel::new(started.connection.clone(), started.broker.fate().clone())
    }

    /// Makes connections beside the main one.
    pub fn broker(&self) -> Broker {
        self.link().started.broker.clone()
    }

    /// The version of the application's protocol that the plugin chose.
    pub fn protocol_version(&self) -> i32 {
        self.link().started.version
    }

    /// The number of the plugin's process, which another process may get once this one has ended.
    /// `None` for a plugin to which this host was attached without it.
    pub fn pid(&self) -> Option<u32> {
        self.link().started.child.pid()
    }

    /// What another host needs to attach itself to the plugin; `None` if all connections share one socket.
    ///
    /// Unless the plugin was started [detached](crate::ProcessPlugin::detached), it ends with this host all the same.
    pub fn reattach(&self) -> Option<Reattach> {
        self.instance.attachable()
    }

    /// Asks the plugin whether it is well, and waits for the answer as long as `patience` lasts.
    ///
    /// # Errors
    /// If it does not answer, or says that it is not.
    pub async fn ping(&self, patience: Duration) -> Result<(), CallError> {
        let link = Arc::clone(self.link());
        let asked = self.link().shared.io.start_task(async move {
            let asking = link.started.connection.unary(PathAndQuery::from_static(CHECK), ASK_PLUGIN);
            match timeout(patience, asking).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(status)) => Err(link.started.broker.fate().why(status.to_string()).await),
                Err(_) => Err(CallError::Wire { reason: format!("no answer within {patience:?}") }),
            }
        });
        let gone = |error: &dyn std::error::Error| CallError::Closed { reason: error.to_string() };
        asked.await.unwrap_or_else(|error| Err(gone(&error)))
    }

    /// Ends when the plugin can no longer be called, and says why.
    pub async fn closed(&self) -> CallError {
        self.instance.closed().await
    }

    /// Asks the plugin to end, and kills it and what it started after `deadline`.
    pub async fn stop(self, deadline: Duration) -> Unloaded {
        Box::new(self.instance).unload(deadline).await
    }

    fn link(&self) -> &Arc<Link> {
        self.instance.link()
    }
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// A request whose field 1 is the name by which a host asks after the plugin as a whole.
const ASK_PLUGIN: Bytes = Bytes::from_static(b"\x0a\x06plugin");

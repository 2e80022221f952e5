//! A plugin over net/rpc as the rest of the house sees it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gobwire::Dynamic;
use jackfield_core::{BoxFuture, CallError, Channel, Instance, Lane, Load, LoadErrorKind, Unloaded};
use tokio::sync::watch;
use tokio::time::timeout;

use super::host::{Dispenser, NetRpc};
use crate::backend::Shared;
use crate::child::{Bond, ChildHandle, Ending, stop};
use crate::error::StartError;
use crate::host::START_TIMEOUT;
use crate::io::Task;
use crate::netrpc::RpcError;
use crate::netrpc::binding::known;
use crate::reattach::Reattach;
use crate::start::{End, tell};

/// One plugin in its own process. Dropping it kills the process, if it is bound to this host.
pub(crate) struct NetRpcInstance {
    pub(super) child: Arc<ChildHandle>,
    pub(super) dispenser: Dispenser,
    pub(super) channel: Arc<dyn Channel>,
    pub(super) options: NetRpc,
    /// Where it is said that it can no longer be called.
    pub(super) ending: watch::Sender<Option<End>>,
    /// What another host needs to attach itself.
    pub(super) reattach: Reattach,
    pub(super) shared: Arc<Shared>,
    /// Asks whether it lives, as long as this is held.
    pub(super) _liveness: Option<Task<()>>,
}

impl NetRpcInstance {
    async fn stop(self: Box<Self>, deadline: Duration) -> Unloaded {
        if self.child.bond() == Bond::Lent {
            return Unloaded::Left;
        }
        tell(&self.ending, End::Unloaded);
        let begun = Instant::now();
        let quit = self.dispenser.control.call::<Dynamic>("Control.Quit", &true);
        let patience = match timeout(deadline, quit).await {
            // It cannot know that it should go.
            Ok(Err(RpcError::Refused(_))) => Duration::ZERO,
            // It heard, and may be gone before its answer is out.
            Ok(_) | Err(_) => deadline.saturating_sub(begun.elapsed()),
        };
        // A plugin waits for the end of the connection before it ends. What it has printed is read until then.
        let _gone = timeout(LAST_OUTPUT, self.child.died()).await;
        self.dispenser.objects.broker.close();
        match stop(&self.child, patience).await {
            Ending::Graceful => Unloaded::Exited {
                status: self.child.death().map_or_else(String::new, |death| death.status_text()),
            },
            Ending::Killed | Ending::Stuck => Unloaded::Killed,
        }
    }
}

impl Instance for NetRpcInstance {
    fn lane(&self) -> Lane {
        Lane::Channel(Arc::clone(&self.channel))
    }

    /// Each interface of a plugin of ours is there under its own name.
    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        let (dispenser, interface) = (self.dispenser.clone(), load.interface);
        Box::pin(async move {
            let interface = known(interface)?;
            self.options.check(interface)?;
            let tasks = dispenser.objects.tasks.clone();
            let service = interface.schema().service;
            let dispensing =
                tasks.start(async move { dispenser.dispense(service, interface, HashMap::new()).await });
            // On the thread whose clock it is.
            let task = async move { timeout(START_TIMEOUT, dispensing).await };
            let dispensed = self.shared.io.start_task(task).await.map_err(|_| StartError::NoThread)?;
            let dispensed = dispensed.map_err(|_| StartError::Timeout(START_TIMEOUT))?;
            let dispensed = dispensed.map_err(|_| StartError::NoRuntime)?;
            Ok(Lane::Channel(dispensed.map_err(StartError::from)?))
        })
    }

    fn process(&self) -> Option<u32> {
        self.child.running_pid()
    }

    fn reattach(&self) -> Option<String> {
        Some(self.reattach.to_string())
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        let fate = self.dispenser.objects.fate.clone();
        Box::pin(async move { fate.ended().await })
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            // The thread is there as long as `shared` is.
            shared.io.start_task(self.stop(deadline)).await.unwrap_or(Unloaded::Killed)
        })
    }
}

impl fmt::Debug for NetRpcInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetRpcInstance").field("address", &self.reattach.address).finish_non_exhaustive()
    }
}

impl Drop for NetRpcInstance {
    fn drop(&mut self) {
        // Callers may hold the channel still; it is of no use any more.
        self.child.let_go();
        if self.child.bond() == Bond::Tight {
            self.shared.remove_socket(&self.reattach.address);
        } else {
            self.dispenser.objects.broker.close();
        }
    }
}

/// How long a plugin that was asked to end may take to pass on what it has printed.
const LAST_OUTPUT: Duration = Duration::from_millis(50);

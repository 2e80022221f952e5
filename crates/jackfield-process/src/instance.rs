//! A connected plugin as the rest of the house sees it: something that was loaded and can be unloaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::schema::Descriptor;
use jackfield_core::{BoxFuture, CallError, Instance, Lane, Load, LoadErrorKind, Step, Unloaded};
use tokio::time::timeout;

use crate::channel::{Link, ProcessChannel};
use crate::child::{Bond, Ending, stop};
use crate::conform::{conform, served};
use crate::error::StartError;
use crate::grpc::{Asked, Executor, shutdown};
use crate::host::START_TIMEOUT;
use crate::io::Task;
use crate::reattach::Reattach;
use crate::start::{End, Started, tell};

/// One plugin in its own process. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct ProcessInstance {
    link: Arc<Link>,
    /// Not the link's, which callers may hold for longer.
    _liveness: Option<Task<()>>,
}

impl ProcessInstance {
    /// Takes charge of a plugin that was started.
    pub(crate) fn new(mut link: Link) -> Self {
        let liveness = link.started.liveness.take();
        Self { link: Arc::new(link), _liveness: liveness }
    }

    /// The plugin itself.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// What another host needs to attach itself; `None` if all connections share one socket.
    pub(crate) fn attachable(&self) -> Option<Reattach> {
        let started = &self.link.started;
        if started.target.mux.is_some() {
            return None;
        }
        let (version, address) = (started.version, started.target.address.clone());
        Some(Reattach::of(&started.child, version, address, started.keys.clone()))
    }

    async fn end(self: Box<Self>, deadline: Duration) -> Unloaded {
        let Started { child, connection, ending, .. } = &self.link.started;
        if child.bond() == Bond::Lent {
            return Unloaded::Left;
        }
        tell(ending, End::Unloaded);
        let begun = Instant::now();
        let asked = match connection.is_closed() {
            false => shutdown(connection, deadline).await,
            true => self.ask_anew(deadline).await,
        };
        let patience = match asked {
            Asked::Heard => deadline.saturating_sub(begun.elapsed()),
            // It cannot know that it should go.
            Asked::Unheard => Duration::ZERO,
        };
        match stop(child, patience).await {
            Ending::Graceful => Unloaded::Exited {
                status: child.death().map_or_else(String::new, |death| death.status_text()),
            },
            Ending::Killed | Ending::Stuck => Unloaded::Killed,
        }
    }

    /// Asks a plugin to end that goes on although its connection has ended. Where it does not listen any more, it is taken to
    /// be on its way.
    async fn ask_anew(&self, deadline: Duration) -> Asked {
        let Link { started, shared, .. } = &*self.link;
        let asking = async {
            let connected = started.target.connect(Executor::Of(shared.io.tasks())).await.ok()?;
            shared.io.keep(connected.driver);
            Some(shutdown(&connected.connection, deadline).await)
        };
        timeout(deadline, asking).await.ok().flatten().unwrap_or(Asked::Heard)
    }
}

impl Instance for ProcessInstance {
    fn lane(&self) -> Lane {
        Lane::Channel(Arc::new(ProcessChannel::new(Arc::clone(&self.link))))
    }

    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        let link = Arc::clone(&self.link);
        let asked = self.link.shared.io.start_task(async move {
            let served = timeout(START_TIMEOUT, served(&link.started.connection)).await;
            served.unwrap_or_else(|_| Err(StartError::Timeout(START_TIMEOUT).into()))
        });
        Box::pin(async {
            asked.await.unwrap_or_else(|error| Err(LoadErrorKind::backend("process", Step::Check, error)))
        })
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        let (link, interface) = (Arc::clone(&self.link), load.interface);
        Box::pin(async move {
            let started = Arc::clone(&link);
            let checked = link.shared.io.start_task(async move {
                let conforms = timeout(START_TIMEOUT, conform(&started.started.connection, interface)).await;
                conforms.unwrap_or_else(|_| Err(StartError::Timeout(START_TIMEOUT).into()))
            });
            checked
                .await
                .unwrap_or_else(|error| Err(LoadErrorKind::backend("process", Step::Check, error)))?;
            Ok(self.lane())
        })
    }

    fn process(&self) -> Option<u32> {
        self.link.started.child.running_pid()
    }

    fn reattach(&self) -> Option<String> {
        self.attachable().map(|reattach| reattach.to_string())
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        let fate = self.link.started.broker.fate().clone();
        Box::pin(async move { fate.ended().await })
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        let shared = Arc::clone(&self.link.shared);
        Box::pin(async move {
            // The thread is there as long as `shared` is.
            shared.io.start_task(self.end(deadline)).await.unwrap_or(Unloaded::Killed)
        })
    }
}

impl Drop for ProcessInstance {
    fn drop(&mut self) {
        // Callers may hold the channel still; it is of no use any more.
        self.link.started.child.let_go();
        if self.link.started.child.bond() == Bond::Tight {
            self.link.remove_socket();
        }
    }
}

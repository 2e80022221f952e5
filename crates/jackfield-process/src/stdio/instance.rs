//! A running program, and how it ends.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::{
    BoxFuture, CallError, CallOptions, Channel, Description, Error, Instance, Lane, Load, LoadErrorKind,
    Parcel, Unloaded,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::backend::Shared;
use crate::child::{ChildHandle, Ending, stop};
use crate::fate::Fate;
use crate::home::Teller;
use crate::host::START_TIMEOUT;
use crate::netrpc::RpcError;
use crate::netrpc::binding::known;
use crate::netrpc::binding::saving::SAVES;
use crate::start::{EXIT, End, GRACE};
use crate::tasks::Tasks;

/// The process of a program. Dropping it kills the process.
pub(super) struct Process {
    child: Arc<ChildHandle>,
    close: Box<dyn Fn() + Send + Sync>,
    fate: Fate,
    shared: Arc<Shared>,
}

impl Process {
    /// Takes charge of `child`, whose talk is `connection`, which lives at `home` and which `close` ends.
    pub(super) fn watch(
        shared: Arc<Shared>,
        home: &Tasks,
        child: ChildHandle,
        connection: impl Future<Output = RpcError> + Send + 'static,
        close: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let child = Arc::new(child);
        let (ended, end) = watch::channel(None);
        let (died, ended) = (child.died(), Teller(ended));
        home.keep(async move {
            tokio::pin!(connection, died);
            let end = tokio::select! {
                error = &mut connection => {
                    report(&error);
                    match timeout(EXIT, died).await {
                        Ok(death) => End::Died(death),
                        Err(_) => End::Disconnected,
                    }
                }
                death = &mut died => {
                    // What it answered before its end is still in the pipe.
                    let _drained = timeout(GRACE, connection).await;
                    End::Died(death)
                }
            };
            ended.tell(end);
        });
        let fate = Fate::of_plugin(home.clone(), end);
        Self { child, close: Box::new(close), fate, shared }
    }

    /// What becomes of it.
    pub(super) fn fate(&self) -> &Fate {
        &self.fate
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        let fate = self.fate.clone();
        Box::pin(async move { fate.ended().await })
    }

    /// Closes the pipes, interrupts, waits for a second at the most, and kills: as pie does.
    fn stop(self, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let stopping = async move {
                (self.close)();
                self.child.interrupt();
                match stop(&self.child, deadline.min(PATIENCE)).await {
                    Ending::Graceful => Unloaded::Exited {
                        status: self.child.death().map_or_else(String::new, |death| death.status_text()),
                    },
                    Ending::Killed | Ending::Stuck => Unloaded::Killed,
                }
            };
            // The thread is there as long as `shared` is.
            shared.io.start_task(stopping).await.unwrap_or(Unloaded::Killed)
        })
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("child", &self.child).finish_non_exhaustive()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        (self.close)();
        self.child.kill();
    }
}

/// A program that provides something.
pub(super) struct StdioInstance {
    process: Process,
    channel: Arc<dyn Channel>,
    interfaces: Interfaces,
}

/// Gives what calls another interface of the program.
pub(super) type Interfaces =
    Box<dyn Fn(Description) -> Result<Arc<dyn Channel>, LoadErrorKind> + Send + Sync>;

impl StdioInstance {
    pub(super) fn new(process: Process, channel: Arc<dyn Channel>, interfaces: Interfaces) -> Self {
        Self { process, channel, interfaces }
    }

    /// Ends when the program answers, whatever that is: it has read what was saved then. Nothing else tells that a program
    /// without a handshake has come to be.
    ///
    /// # Errors
    /// It ended before, or does not answer.
    pub(super) async fn constructed(&self) -> Result<(), CallError> {
        let patience = CallOptions::default().deadline(Instant::now() + START_TIMEOUT);
        match self.channel.call(&SAVES, Parcel::default(), Some(&patience)).await {
            Err(Error::Call(
                error @ (CallError::Closed { .. }
                | CallError::DeadlineExceeded { .. }
                | CallError::Exited { .. }
                | CallError::Wire { .. }),
            )) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for StdioInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioInstance").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Instance for StdioInstance {
    fn lane(&self) -> Lane {
        Lane::Channel(Arc::clone(&self.channel))
    }

    /// Each interface of a program of ours is there under its own name. Whether it is shows when it is called.
    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        let channel = known(load.interface).and_then(|interface| (self.interfaces)(interface));
        Box::pin(std::future::ready(channel.map(Lane::Channel)))
    }

    fn process(&self) -> Option<u32> {
        self.process.child.running_pid()
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        self.process.closed()
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        self.process.stop(deadline)
    }
}

/// A program that calls this host. Dropping it kills the program.
#[derive(Debug)]
pub struct Consumer {
    process: Process,
}

impl Consumer {
    pub(super) fn new(process: Process) -> Self {
        Self { process }
    }

    /// Ends when the program has ended, or closed its output, and says how.
    pub async fn closed(&self) -> CallError {
        self.process.closed().await
    }

    /// Closes the program's input, interrupts it, and kills it after a second, or after `deadline` if that is sooner.
    pub async fn stop(self, deadline: Duration) -> Unloaded {
        self.process.stop(deadline).await
    }
}

/// Something that a program printed in between is worth a warning: its author will wonder.
fn report(error: &RpcError) {
    match error {
        RpcError::Protocol(source) => {
            let error = source as &dyn std::error::Error;
            tracing::warn!(error, "a plugin wrote something to its standard output that is no answer");
        }
        other => tracing::debug!(error = %other, "the talk with a plugin ended"),
    }
}

/// As long as pie waits.
const PATIENCE: Duration = Duration::from_secs(1);

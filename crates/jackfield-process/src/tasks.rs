//! Gives work to a runtime that somebody else drives.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::sync_channel;
use std::thread::{self, ThreadId};

use jackfield_core::{CallError, Error, Parcel};
use tokio::runtime::{EnterGuard, Handle};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::io::{Task, Unreachable};
use crate::pump;

/// Work that goes on even if whoever began it is gone: the runtime's owner keeps it.
pub(crate) type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime of one thread on which connections live; clones name the same one.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    runtime: Handle,
    thread: ThreadId,
    lasting: mpsc::UnboundedSender<BoxedTask>,
}

impl Tasks {
    /// Names `runtime`, which `thread` drives, and where someone runs what comes through `lasting`.
    pub(crate) fn new(runtime: Handle, thread: ThreadId, lasting: mpsc::UnboundedSender<BoxedTask>) -> Self {
        Self { runtime, thread, lasting }
    }

    /// Names the runtime in which this is called, on the thread that drives it. The future runs what is kept, and gives
    /// it up when dropped.
    pub(crate) fn here() -> (Self, impl Future<Output = ()>) {
        let (lasting, mut tasks) = mpsc::unbounded_channel::<BoxedTask>();
        let run = async move {
            let mut running = JoinSet::new();
            loop {
                tokio::select! {
                    Some(task) = tasks.recv() => { running.spawn(task); }
                    Some(_) = running.join_next() => {}
                    else => return,
                }
            }
        };
        (Self::new(Handle::current(), thread::current().id(), lasting), run)
    }

    /// Gives the runtime work that it finishes on its own account.
    pub(crate) fn keep(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Without an owner nothing can be kept any more, and nobody is there for whom it could be.
        let _kept = self.lasting.send(Box::pin(task));
    }

    /// Starts work that is given up when the task is dropped. Any executor may wait for it.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        Task::new(self.runtime.spawn(future))
    }

    /// Whether the runtime's work is done here, so that whoever waits for it here waits for ever.
    pub(crate) fn is_at_work(&self) -> bool {
        is_at_work(self.thread)
    }

    /// Lets this thread use the runtime's clock and sockets while the result is there.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Does work and blocks this thread until it is done.
    ///
    /// # Errors
    /// If this is the thread that would have to do it: it would wait for ever.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unreachable> {
        block_on(&self.runtime, self.thread, future)
    }
}

/// Answers by a method that blocks, which must not stop the thread on which all the others are answered.
pub(crate) async fn block(
    call: impl FnOnce() -> Result<Parcel, Error> + Send + 'static,
) -> Result<Parcel, Error> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer,
        Err(error) => Err(CallError::Panicked { message: error.to_string() }.into()),
    }
}

/// Does work on a runtime, which `thread` drives, and blocks this thread until it is done.
///
/// # Errors
/// If this is the thread that would have to do it: it would wait for ever.
pub(crate) fn block_on<T: Send + 'static>(
    runtime: &Handle,
    thread: ThreadId,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, Unreachable> {
    if is_at_work(thread) {
        return Err(Unreachable);
    }
    let (sender, receiver) = sync_channel(1);
    let _task = Task::new(runtime.spawn(async move {
        // The receiver waits below.
        let _received = sender.send(future.await);
    }));
    receiver.recv().map_err(|_| Unreachable)
}

fn is_at_work(thread: ThreadId) -> bool {
    thread::current().id() == thread || pump::is_at_work()
}

//! Owns the thread on which children are supervised and their connections live.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use jackfield_core::{CallError, Error};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::busy_poll::BusyPoll;
use crate::tasks::{BoxedTask, Tasks};

/// The thread; it ends, soon but not at once, when this is dropped.
#[derive(Debug)]
pub(crate) struct IoThread {
    tasks: Tasks,
    busy_poll: BusyPoll,
}

/// The thread is gone, or would have to wait for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the thread on which connections to the other side live has ended, or would wait for itself\n\
     (hint: an `async` method of an object that is called from there must not call a blocking one of the other side)"
)]
pub(crate) struct Unreachable;

impl IoThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system is out of threads or descriptors.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (lasting, tasks) = mpsc::unbounded_channel();
        let handle = runtime.handle().clone();
        let busy_poll = BusyPoll::default();
        let awake = busy_poll.clone();
        let thread = thread::Builder::new().name("jackfield-io".into()).spawn(move || {
            drop(runtime.spawn(awake.run()));
            runtime.block_on(keep(tasks));
            runtime.shutdown_timeout(PATIENCE);
        })?;
        Ok(Self { tasks: Tasks::new(handle, thread.thread().id(), lasting), busy_poll })
    }

    /// The thread as a place for connections. It does not end as long as this is held.
    pub(crate) fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// For how long the thread stays awake for the next message.
    pub(crate) fn busy_poll(&self) -> &BusyPoll {
        &self.busy_poll
    }

    /// Gives the thread work that it finishes on its own account.
    pub(crate) fn keep(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.keep(task);
    }

    /// Starts work that is given up when the task is dropped.
    pub(crate) fn start_task<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.tasks.start(future)
    }

    /// Does work and blocks this thread until it is done.
    ///
    /// # Errors
    /// If this is the I/O thread itself, which would wait for ever.
    #[cfg(test)]
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unreachable> {
        self.tasks.block_on(future)
    }
}

impl From<Unreachable> for Error {
    fn from(error: Unreachable) -> Self {
        CallError::Closed { reason: error.to_string() }.into()
    }
}

/// Work on the I/O thread; any executor may wait for it. Dropping it gives the work up.
#[derive(Debug)]
#[must_use = "dropping a task gives its work up"]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    /// Waits for `handle`.
    pub(crate) fn new(handle: JoinHandle<T>) -> Self {
        Self(handle)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Unreachable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|result| result.map_err(|_| Unreachable))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs what it is given until nobody can give more, then lets it end.
async fn keep(mut tasks: mpsc::UnboundedReceiver<BoxedTask>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            task = tasks.recv() => match task {
                Some(task) => { running.spawn(task); }
                None => break,
            },
            Some(_) = running.join_next() => {}
        }
    }
    // The children were killed by those who held them, and are reaped within this time.
    let _ended = timeout(PATIENCE, running.join_all()).await;
}

const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_inside_a_runtime_but_not_on_itself() {
        let io = std::sync::Arc::new(IoThread::start().unwrap());
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { assert_eq!(io.block_on(async { 7 }), Ok(7)) });

        let inner = std::sync::Arc::clone(&io);
        let nested = io.block_on(async move { inner.block_on(async {}) });
        assert_eq!(nested, Ok(Err(Unreachable)));
    }
}

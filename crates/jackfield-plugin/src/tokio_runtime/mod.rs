//! A tokio runtime of the plugin's own: one thread, named after the plugin.
//!
//! tokio keeps a thread-local with a destructor on every thread that touches it. So no thread of the host does: it leaves
//! a message in the inbox, and what it may wake is a waker of ours, which leaves one too.

mod bell;
mod inbox;
mod waker;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jackfield_core::__private::runtime::{Job, Launch, Runtime};
use jackfield_core::BoxFuture;
use tokio::task::JoinSet;

use self::inbox::{Inbox, Message};

/// The kind of runtime that `export!(…, runtime = tokio)` asks for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Tokio {}

impl Launch for Tokio {
    fn launch(plugin: &str) -> io::Result<Option<Arc<dyn Runtime>>> {
        if IS_SERVED.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(Some(Arc::new(TokioRuntime::start(plugin)?)))
    }
}

/// Says that this program serves its plugin on a tokio runtime already.
#[cfg(feature = "process")]
pub(crate) fn serve_on_this() {
    IS_SERVED.store(true, Ordering::Relaxed);
}

static IS_SERVED: AtomicBool = AtomicBool::new(false);

/// A runtime that drives one object.
struct TokioRuntime {
    inbox: Arc<Inbox>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ended: Arc<Ended>,
}

/// Whether the thread has ended, but for its thread-locals.
#[derive(Default)]
struct Ended(Mutex<bool>, Condvar);

impl TokioRuntime {
    fn start(plugin: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (inbox, ended) = (Arc::new(Inbox::new()?), Arc::<Ended>::default());
        let thread = thread::Builder::new().name(plugin.replace('\0', " ")).spawn({
            let (inbox, ended) = (inbox.clone(), ended.clone());
            move || {
                let deadline = runtime.block_on(serve(&inbox));
                inbox.close();
                // A blocking task of the plugin's may go on for ever: then its thread stays, and is reported.
                runtime.shutdown_timeout(deadline);
                *ended.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                ended.1.notify_all();
            }
        })?;
        Ok(Self { inbox, thread: Mutex::new(Some(thread)), ended })
    }
}

impl Runtime for TokioRuntime {
    fn run(&self, job: Job) {
        self.inbox.put(Message::Run(job));
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.inbox.put(Message::Spawn(future));
    }

    fn end(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        self.inbox.put(Message::End(deadline / 2));
        let mut has_ended = self.ended.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*has_ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            has_ended = self.ended.1.wait_timeout(has_ended, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(has_ended);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Its own panic was logged.
            let _panicked = thread.join();
        }
        true
    }
}

/// Does what comes in, until it is told to end, and by when.
async fn serve(inbox: &Arc<Inbox>) -> Duration {
    inbox.belongs_to_this_thread();
    // Without one it ends at once, and whoever waits for it hears that.
    let Ok(listener) = inbox.listener() else { return Duration::ZERO };
    let mut calls = JoinSet::new();
    loop {
        for message in inbox.take(&listener).await {
            match message {
                Message::End(deadline) => return deadline,
                Message::Run(job) => job(),
                Message::Spawn(future) => {
                    calls.spawn(waker::keep_here(future, inbox.clone()));
                }
                Message::Wake(waker) => waker.wake(),
            }
        }
        while calls.try_join_next().is_some() {}
    }
}

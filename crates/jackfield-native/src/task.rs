//! Runs a library's code on a thread of its own, for no longer than a deadline.
//!
//! What a library does at its beginning and its end is its own affair, and may take for ever. Nor do the thread-locals
//! that it touches there pin it: they end with the thread.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::remains::Stuck;

/// Work on a thread of its own. It is `None` if the work has not come to an end within the deadline; it then goes on,
/// and its result is dropped on its thread.
#[must_use = "nobody else hears of the result"]
pub(crate) struct Task<T> {
    shared: Arc<Shared<T>>,
    end: Instant,
    thread: Option<JoinHandle<()>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    step: Step<T>,
    waker: Option<Waker>,
    has_begun: bool,
    is_watched: bool,
    watcher: Option<JoinHandle<()>>,
}

enum Step<T> {
    Done(T),
    Late(Stuck),
    Running,
    Taken,
}

impl<T: Send + 'static> Task<T> {
    /// Runs `work` on a thread of this name.
    pub(crate) fn spawn(
        name: &str,
        deadline: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let state =
            State { step: Step::Running, waker: None, has_begun: false, is_watched: false, watcher: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let worker = shared.clone();
        let name = name.replace('\0', " ");
        let thread = thread::Builder::new().name(name).stack_size(STACK);
        let thread = thread.spawn(move || {
            worker.lock().has_begun = true;
            worker.finish(work());
        })?;
        Ok(Self { shared, end: Instant::now() + deadline, thread: Some(thread) })
    }

    /// Lets the time of its deadline begin now.
    pub(crate) fn within(self, deadline: Duration) -> Self {
        Self { end: Instant::now() + deadline, ..self }
    }

    /// Waits for the very end of the thread, which has come to the end of its work: until then it has the thread-locals
    /// that the library has left on it.
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Whoever waited for the result of work that panicked has heard of it.
            let _panicked = thread.join();
        }
    }
}

impl<T: Send + 'static> Task<T> {
    /// Blocks the calling thread until the work has come to an end.
    pub(crate) fn wait(mut self) -> Option<T> {
        let shared = self.shared.clone();
        let mut state = shared.wait(shared.lock(), self.end);
        match std::mem::replace(&mut state.step, Step::Taken) {
            Step::Done(result) => {
                drop(state);
                self.join();
                Some(result)
            }
            _ => {
                state.step = Step::Late(Stuck::new());
                None
            }
        }
    }
}

impl<T: Send + 'static> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if !state.is_watched {
            // Most libraries are quicker than a thread that would watch the time. That thread must not begin first: see
            // `finish`. On a machine that has no core for it, that is not worth an executor that stands still.
            let patience = self.end.min(Instant::now() + MAX_GRACES * GRACE);
            loop {
                state = shared.wait(state, patience.min(Instant::now() + GRACE));
                if state.has_begun || Instant::now() >= patience {
                    break;
                }
            }
        }
        match std::mem::replace(&mut state.step, Step::Taken) {
            Step::Done(result) => {
                drop(state);
                self.join();
                Poll::Ready(Some(result))
            }
            late @ Step::Late(_) => {
                state.step = late;
                Poll::Ready(None)
            }
            Step::Taken => panic!("a task was polled after it had ended"),
            Step::Running => {
                state.step = Step::Running;
                state.waker = Some(context.waker().clone());
                if !std::mem::replace(&mut state.is_watched, true) {
                    Shared::watch(&shared, state, self.end);
                }
                Poll::Pending
            }
        }
    }
}

impl<T: Send + 'static> Shared<T> {
    /// Takes the result to whoever waits for it. Nobody waits for one that comes late.
    ///
    /// The thread that watches the time ends before this one. The C library gives the next thread the heap of the one that
    /// ended last, so that libraries that come and go do so on one heap, where their memory is used again.
    fn finish(&self, result: T) {
        let mut state = self.lock();
        let (waker, watcher) = (state.waker.take(), state.watcher.take());
        let before = std::mem::replace(&mut state.step, Step::Done(result));
        let late = match before {
            Step::Late(_) => std::mem::replace(&mut state.step, Step::Taken),
            _ => Step::Taken,
        };
        drop(state);
        self.changed.notify_all();
        if let Some(watcher) = watcher {
            let _panicked = watcher.join();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        drop((late, before));
    }

    /// Ends the wait at the deadline, on a thread of its own: this crate knows no runtime.
    fn watch(this: &Arc<Self>, mut state: MutexGuard<'_, State<T>>, end: Instant) {
        let shared = this.clone();
        let watcher = thread::Builder::new().name("jackfield-watch".to_owned()).stack_size(SMALL_STACK);
        let spawned = watcher.spawn(move || {
            let state = shared.wait(shared.lock(), end);
            shared.expire(state);
        });
        match spawned {
            Ok(watcher) => state.watcher = Some(watcher),
            // Without a thread there is no time to wait for.
            Err(_) => this.expire(state),
        }
    }

    fn expire(&self, mut state: MutexGuard<'_, State<T>>) {
        if matches!(state.step, Step::Running) {
            state.step = Step::Late(Stuck::new());
            let waker = state.waker.take();
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Waits for the end of the work, until `end`.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State<T>>, end: Instant) -> MutexGuard<'a, State<T>> {
        while matches!(state.step, Step::Running) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("end", &self.end).finish_non_exhaustive()
    }
}

/// How long a poll waits before somebody else has to.
const GRACE: Duration = Duration::from_millis(5);
/// How often it does so where the thread of the work has not begun yet.
const MAX_GRACES: u32 = 10;

/// As much as a program's first thread has.
const STACK: usize = 8 << 20;
const SMALL_STACK: usize = 64 << 10;

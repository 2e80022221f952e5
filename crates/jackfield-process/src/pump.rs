//! Does the work of a connection on the thread that has just given it some.
//!
//! A call that another thread has to begin wakes that thread first, which costs as much as the call. So whoever has work
//! for a connection does at once what can be done, as writing a request; the I/O thread goes on when an answer comes.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::{AbortHandle, FutureExt as _, abortable};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use futures_util::task::AtomicWaker;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::io::Unreachable;
use crate::tasks::{BoxedTask, Tasks};

/// Where the work of one connection is given; clones name the same. The I/O thread does it until the last is dropped.
#[derive(Clone)]
pub(crate) struct Pump {
    given: Arc<Given>,
}

/// The end of this is that of the work.
struct Given {
    shared: Arc<Shared>,
}

struct Shared {
    /// Runs what others do not get to.
    tasks: Tasks,
    /// What is done under the lock.
    running: Mutex<FuturesUnordered<BoxedTask>>,
    /// What was given since.
    new: Mutex<Vec<BoxedTask>>,
    /// How much of the work has not come to its end.
    left: AtomicUsize,
    /// The I/O thread's task.
    home: AtomicWaker,
    /// Whether the I/O thread's task found the work locked.
    is_missed: AtomicBool,
    is_over: AtomicBool,
}

impl Pump {
    /// Starts the I/O thread's task.
    pub(crate) fn start(tasks: Tasks) -> Self {
        let shared = Arc::new(Shared {
            running: Mutex::default(),
            new: Mutex::default(),
            left: AtomicUsize::new(0),
            home: AtomicWaker::new(),
            is_missed: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            tasks,
        });
        shared.tasks.keep(Home(Arc::clone(&shared)));
        Self { given: Arc::new(Given { shared }) }
    }

    /// Does work here as far as it goes, and leaves the rest to the I/O thread. Any executor may wait for the result.
    pub(crate) fn ask<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Asked<T> {
        let (sender, result) = oneshot::channel();
        let (work, given_up) = abortable(work);
        self.add(async move {
            if let Ok(done) = work.await {
                // Whoever asked may have gone.
                let _received = sender.send(done);
            }
        });
        self.given.shared.begin();
        Asked { result, given_up }
    }

    /// Does work here as far as it goes, and blocks this thread until the I/O thread has done the rest.
    ///
    /// # Errors
    /// If this is the I/O thread, or one that does its work, which would wait for itself.
    pub(crate) fn ask_blocking<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unreachable> {
        if self.is_at_work() {
            return Err(Unreachable);
        }
        let shared = &self.given.shared;
        let (sender, result) = std::sync::mpsc::sync_channel(1);
        self.add(async move {
            // The receiver waits below.
            let _received = sender.send(work.await);
        });
        shared.begin();
        result.recv().map_err(|_| Unreachable)
    }

    /// Whether this is the I/O thread, or one that does its work, which must not block.
    pub(crate) fn is_at_work(&self) -> bool {
        self.given.shared.tasks.is_at_work()
    }

    fn add(&self, work: impl Future<Output = ()> + Send + 'static) {
        // A panic ends what panicked, not whoever happens to do its work.
        let shared = &self.given.shared;
        shared.left.fetch_add(1, Ordering::Relaxed);
        let work = AssertUnwindSafe(work).catch_unwind().map(drop);
        lock(&shared.new).push(Box::pin(work));
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.home.wake();
    }
}

impl Shared {
    /// Begins what was given. Of much at once the I/O thread makes one write, which none of many callers can.
    fn begin(self: &Arc<Self>) {
        if self.left.load(Ordering::Relaxed) > CROWD { self.home.wake() } else { self.turn() }
    }

    /// Does what can be done on this thread, unless another is at it.
    fn turn(self: &Arc<Self>) {
        // A thread that is about to end has no place any more for what is entered below.
        let is_ending = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        let locked = if is_ending { None } else { self.try_lock() };
        let Some(mut running) = locked else { return self.home.wake() };
        let is_done = {
            let _clock = self.tasks.enter();
            let here = Here::enter(self);
            let waker = Waker::from(Arc::clone(self));
            let mut context = Context::from_waker(&waker);
            (0..ROUNDS).any(|_| {
                self.poll(&mut running, &mut context);
                !here.was_woken()
            })
        };
        drop(running);
        fence(Ordering::SeqCst);
        if self.is_missed.swap(false, Ordering::SeqCst) || !is_done {
            self.home.wake();
        }
    }

    fn poll(&self, running: &mut FuturesUnordered<BoxedTask>, context: &mut Context<'_>) {
        running.extend(lock(&self.new).drain(..));
        while let Poll::Ready(Some(())) = running.poll_next_unpin(context) {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, FuturesUnordered<BoxedTask>>> {
        match self.running.try_lock() {
            Ok(running) => Some(running),
            Err(TryLockError::Poisoned(running)) => Some(running.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !Here::notice(self) {
            self.home.wake();
        }
    }
}

/// The I/O thread's task, which waits for the socket and does what others left.
struct Home(Arc<Shared>);

impl Future for Home {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = &self.0;
        shared.home.register(context.waker());
        let locked = shared.try_lock().or_else(|| {
            shared.is_missed.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            // Either this sees the end of the other's turn, or the other sees the mark.
            shared.try_lock()
        });
        let Some(mut running) = locked else { return Poll::Pending };
        // Not with this task's own waker: what is woken on a thread that is at it need not wake this one.
        shared.poll(&mut running, &mut Context::from_waker(&Waker::from(Arc::clone(shared))));
        let is_over =
            shared.is_over.load(Ordering::Acquire) && running.is_empty() && lock(&shared.new).is_empty();
        if !is_over {
            return Poll::Pending;
        }
        // It still holds the waker, which holds all of this.
        running.clear();
        Poll::Ready(())
    }
}

/// Whether this thread does the work of a connection, on which another may wait.
pub(crate) fn is_at_work() -> bool {
    !HERE.get().0.is_null()
}

/// Whose work this thread is at, and whether some of it was woken meanwhile.
struct Here {
    before: (*const Shared, bool),
}

thread_local! {
    static HERE: Cell<(*const Shared, bool)> = const { Cell::new((std::ptr::null(), false)) };
}

impl Here {
    fn enter(shared: &Arc<Shared>) -> Self {
        Self { before: HERE.replace((Arc::as_ptr(shared), false)) }
    }

    /// Whether some of the work was woken since this was last asked.
    fn was_woken(&self) -> bool {
        let (shared, is_woken) = HERE.get();
        HERE.set((shared, false));
        is_woken
    }

    /// Remembers that work was woken, if this thread is at it.
    fn notice(shared: &Arc<Shared>) -> bool {
        let is_here = std::ptr::eq(HERE.get().0, Arc::as_ptr(shared));
        if is_here {
            HERE.set((Arc::as_ptr(shared), true));
        }
        is_here
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(self.before);
    }
}

/// Work that was asked for; any executor may wait for it. Dropping it gives the work up.
#[derive(Debug)]
#[must_use = "dropping it gives the work up"]
pub(crate) struct Asked<T> {
    result: oneshot::Receiver<T>,
    given_up: AbortHandle,
}

impl<T> Future for Asked<T> {
    type Output = Result<T, Unreachable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(context).map(|result| result.map_err(|_| Unreachable))
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        if !self.result.is_terminated() {
            self.given_up.abort();
        }
    }
}

impl fmt::Debug for Pump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pump").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// With how much work at once a caller leaves it to the I/O thread. The connection's own counts.
const CROWD: usize = 6;
/// How often a thread looks after what it has woken itself before it leaves the rest to the I/O thread.
const ROUNDS: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;
    use crate::io::IoThread;

    fn pump() -> (IoThread, Pump) {
        let io = IoThread::start().unwrap();
        let pump = Pump::start(io.tasks());
        (io, pump)
    }

    fn wait<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_can_be_done_at_once_is_done_by_whoever_asks() {
        let (_io, pump) = pump();
        let here = thread::current().id();
        let asked = pump.ask(async move { thread::current().id() == here });
        assert_eq!(wait(asked), Ok(true));
    }

    #[test]
    fn what_has_to_wait_is_finished_by_the_io_thread() {
        let (io, pump) = pump();
        let (go, gone) = oneshot::channel();
        let asked = pump.ask(async move {
            let word: &str = gone.await.unwrap();
            (word, thread::current().name().map(str::to_owned))
        });
        io.keep(async move { go.send("now").unwrap() });
        assert_eq!(wait(asked), Ok(("now", Some("jackfield-io".to_owned()))));
    }

    #[test]
    fn what_is_dropped_is_given_up() {
        let (_io, pump) = pump();
        let (held, dropped) = channel::<()>();
        let asked = pump.ask(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(asked);
        // The sender goes with the work.
        dropped.recv().unwrap_err();
    }

    #[test]
    fn nothing_is_left_of_it_when_nobody_has_it_any_more() {
        let (io, pump) = pump();
        let shared = Arc::downgrade(&pump.given.shared);
        assert_eq!(wait(pump.ask(async { 7 })), Ok(7));
        drop(pump);
        let is_gone = (0..10_000).any(|_| {
            io.block_on(tokio::task::yield_now()).unwrap();
            shared.strong_count() == 0
        });
        assert!(is_gone, "it holds itself, and the I/O thread with it");
    }

    #[test]
    fn a_panic_ends_what_panicked_only() {
        let (_io, pump) = pump();
        let (go, gone) = oneshot::channel::<()>();
        let waiting = pump.ask(async move { gone.await.is_ok() });
        assert_eq!(wait(pump.ask(async { panic!("a bug") })), Err::<(), _>(Unreachable));
        go.send(()).unwrap();
        assert_eq!(wait(waiting), Ok(true));
    }

    #[test]
    fn work_may_ask_for_work() {
        let (_io, pump) = pump();
        let inner = pump.clone();
        assert_eq!(wait(pump.ask(async move { inner.ask(async { 7 }).await })), Ok(Ok(7)));
    }

    #[test]
    fn blocks_inside_a_runtime_but_not_in_the_way_of_the_work() {
        let (io, pump) = pump();
        wait(async { assert_eq!(pump.ask_blocking(async { 7 }), Ok(7)) });
        let (inner, tasks) = (pump.clone(), io.tasks());
        let nested = pump.ask(async move { (inner.ask_blocking(async {}), tasks.block_on(async {})) });
        assert_eq!(wait(nested), Ok((Err(Unreachable), Err(Unreachable))));
        let nested = io.block_on(async move { pump.ask_blocking(async {}) });
        assert_eq!(nested, Ok(Err(Unreachable)));
    }

    /// A wake that is lost leaves one of them waiting for ever.
    #[test]
    fn nothing_is_forgotten_when_many_ask_at_once() {
        let (io, pump) = pump();
        let tasks = io.tasks();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..2_000 {
                        let tasks = tasks.clone();
                        // Some of it another thread has to wake.
                        let asked = pump.ask(async move {
                            if number % 3 == 0 {
                                tasks.start(async move { number }).await.unwrap()
                            } else {
                                number
                            }
                        });
                        assert_eq!(wait(asked), Ok(number));
                    }
                });
            }
        });
    }
}

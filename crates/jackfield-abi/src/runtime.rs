//! A runtime of the plugin's own, on whose thread its object lives.
//!
//! A reactor belongs to the threads that drive it, and keeps thread-locals with destructors on every thread that touches
//! it: on a thread of the host they would pin the library. So the object of a plugin that asks for a runtime is made,
//! dropped, and polled on the runtime's thread alone. A thread of the host hands work over and waits, or is woken.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::future::BoxFuture;
use crate::panic;
use crate::shim::{Refusal, RefusalKind, Reply};

/// Work for a runtime's thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// A runtime with one thread, which does what it is given in the order in which it is given.
pub trait Runtime: Send + Sync {
    /// Runs a job on the runtime's thread. It neither waits nor leaves anything on the calling thread.
    fn run(&self, job: Job);

    /// Polls a future on the runtime's thread until it is ready, as [`run`](Self::run) says. Its wakers may be used and
    /// dropped on any thread, and leave nothing there either.
    fn spawn(&self, future: BoxFuture<'static, ()>);

    /// Ends the runtime and drops what it still has, and says whether its threads have ended by the deadline.
    fn end(&self, deadline: Duration) -> bool;
}

/// A kind of runtime, as a type.
pub trait Launch: 'static {
    /// Starts one for a plugin of this name. There is none where the plugin's object lives on the caller's threads.
    ///
    /// # Errors
    /// The operating system refuses something.
    fn launch(plugin: &str) -> io::Result<Option<Arc<dyn Runtime>>>;
}

/// No runtime.
#[derive(Debug)]
pub enum Inline {}

impl Launch for Inline {
    fn launch(_: &str) -> io::Result<Option<Arc<dyn Runtime>>> {
        Ok(None)
    }
}

/// Makes an object on the thread of a runtime of this kind, or on this one if there is none.
pub(crate) fn make<L: Launch, O>(plugin: &str, make: impl FnOnce() -> Reply<*mut O> + Send) -> Reply<*mut O> {
    let failed = |error| Refusal::new(RefusalKind::Panic, format!("its runtime cannot be started: {error}"));
    let Some(runtime) = L::launch(plugin).map_err(failed)? else { return make() };
    // A pointer is not `Send`, and only its address is needed.
    match run_borrowed(&*runtime, || make().map(|object| object.expose_provenance())) {
        Ok(address) => {
            lock(&HOSTED).insert(address, runtime);
            COUNT.fetch_add(1, Ordering::Relaxed);
            Ok(std::ptr::with_exposed_provenance_mut(address))
        }
        Err(refusal) => {
            runtime.end(DEADLINE);
            Err(refusal)
        }
    }
}

/// Drops an object by `drop`, on the thread on which it lives.
pub(crate) fn drop_object<O>(object: *mut O, drop: impl FnOnce() + Send + 'static) {
    let Some(runtime) = lock(&HOSTED).remove(&object.addr()) else { return drop() };
    COUNT.fetch_sub(1, Ordering::Relaxed);
    let end = Instant::now() + DEADLINE;
    let dropped = Signal::new();
    runtime.run(Box::new({
        let dropped = dropped.clone();
        move || {
            let _ = panic::catch(drop);
            dropped.set();
        }
    }));
    dropped.wait(Some(end));
    runtime.end(end.saturating_duration_since(Instant::now()));
}

/// Where a future of an object is polled: at the object's runtime, if it has one.
#[inline(always)]
pub(crate) fn place<'a, O, T>(object: *const T, future: BoxFuture<'a, O>) -> BoxFuture<'a, O>
where
    O: Send + 'static,
{
    if COUNT.load(Ordering::Relaxed) == 0 { future } else { place_hosted(object.addr(), future) }
}

#[inline(never)]
fn place_hosted<'a, O: Send + 'static>(object: usize, future: BoxFuture<'a, O>) -> BoxFuture<'a, O> {
    let Some(runtime) = lock(&HOSTED).get(&object).cloned() else { return future };
    // SAFETY: the future borrows the object. It is dropped by a job that was given to the runtime before the one that drops
    // the object: `Remote` gives it at the latest when the host drops it, and the host holds the object until then.
    let future = unsafe { std::mem::transmute::<BoxFuture<'a, O>, BoxFuture<'static, O>>(future) };
    let call =
        Arc::new(Call { future: Mutex::new(Some(future)), outcome: Mutex::new(Outcome::Waiting(None)) });
    runtime.spawn(Box::pin(Driver(call.clone())));
    Box::pin(Remote { call, runtime })
}

/// A call that runs on the runtime's thread.
struct Call<O> {
    /// Taken and polled on the runtime's thread only.
    future: Mutex<Option<BoxFuture<'static, O>>>,
    outcome: Mutex<Outcome<O>>,
}

enum Outcome<O> {
    Done(Reply<O>),
    Taken,
    Waiting(Option<Waker>),
}

/// A call as the runtime sees it.
struct Driver<O>(Arc<Call<O>>);

impl<O: Send + 'static> Future for Driver<O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut place = lock(&self.0.future);
        let Some(future) = place.as_mut() else { return Poll::Ready(()) };
        let reply = match panic::catch(|| future.as_mut().poll(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(refusal) => Err(refusal),
        };
        let ended = place.take();
        drop(place);
        let _ = panic::catch(|| drop(ended));
        let before = std::mem::replace(&mut *lock(&self.0.outcome), Outcome::Done(reply));
        if let Outcome::Waiting(Some(waker)) = before {
            waker.wake();
        }
        Poll::Ready(())
    }
}

/// A call as the host sees it. Dropping it drops the plugin's future.
struct Remote<O: Send + 'static> {
    call: Arc<Call<O>>,
    runtime: Arc<dyn Runtime>,
}

impl<O: Send + 'static> Future for Remote<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let mut outcome = lock(&self.call.outcome);
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Done(Ok(output)) => Poll::Ready(output),
            Outcome::Done(Err(refusal)) => {
                drop(outcome);
                panic::resume(refusal)
            }
            Outcome::Taken => panic!("a call was polled after it had answered"),
            Outcome::Waiting(_) => {
                *outcome = Outcome::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<O: Send + 'static> Drop for Remote<O> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut *lock(&self.call.outcome), Outcome::Taken);
        if let Outcome::Waiting(_) = outcome {
            let call = self.call.clone();
            self.runtime.run(Box::new(move || {
                let future = lock(&call.future).take();
                let _ = panic::catch(|| drop(future));
            }));
        }
    }
}

/// Runs what borrows from this thread on a runtime's thread, and waits for it.
fn run_borrowed<V: Send>(runtime: &dyn Runtime, run: impl FnOnce() -> Reply<V> + Send) -> Reply<V> {
    let (result, done) = (Mutex::new(None), Signal::new());
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(|| {
        let reply = panic::catch(run).and_then(|reply| reply);
        *lock(&result) = Some(reply);
    });
    // SAFETY: this thread waits until the job has been run or dropped, and with it everything that it borrows.
    let job = unsafe { std::mem::transmute::<Box<dyn FnOnce() + Send + '_>, Job>(job) };
    let guard = SetOnDrop(done.clone());
    runtime.run(Box::new(move || {
        let _guard = guard;
        job();
    }));
    done.wait(None);
    let result = lock(&result).take();
    result.unwrap_or_else(|| Err(Refusal::new(RefusalKind::Panic, "the plugin's runtime has ended")))
}

/// Something that happens once. It leaves nothing on the threads that wait for it.
#[derive(Clone)]
struct Signal(Arc<(Mutex<bool>, Condvar)>);

impl Signal {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new())))
    }

    fn set(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    fn wait(&self, end: Option<Instant>) {
        let mut is_set = lock(&self.0.0);
        while !*is_set {
            let left =
                end.map_or(Duration::from_secs(3600), |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            is_set = self.0.1.wait_timeout(is_set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct SetOnDrop(Signal);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl fmt::Debug for dyn Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The objects that live at a runtime, by address: a call brings nothing but that.
static HOSTED: Mutex<BTreeMap<usize, Arc<dyn Runtime>>> = Mutex::new(BTreeMap::new());

/// How many those are, so that a call where there are none takes no lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How long an object may take to be dropped and its runtime to end.
const DEADLINE: Duration = Duration::from_secs(2);

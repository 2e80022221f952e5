//! A runtime of the plugin's own, on whose thread its object lives.
//!
//! A reactor belongs to the threads that drive it, and keeps thread-locals with destructors on every thread that touches
//! it: on a thread of the host they would pin the library. So the object of a plugin that asks for a runtime is made,
//! dropped, and polled on the runtime's thread alone. A thread of the host hands work over and waits, or is woken.
//!
//! Most plugins have none, and a library should not carry what it does not use: all that is needed for one is reached
//! through `Hosting`, whose only implementation is named in `make`, where a runtime was launched.

mod call;
mod registry;
mod signal;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::future::BoxFuture;
use crate::shim::{Refusal, RefusalKind, Reply};
use crate::stream::Feed;

use call::Answering;
pub(crate) use call::Remote;

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
    #[inline(always)]
    fn launch(_: &str) -> io::Result<Option<Arc<dyn Runtime>>> {
        Ok(None)
    }
}

/// Makes an object on the thread of a runtime of this kind, or on this one if there is none.
pub(crate) fn make<L: Launch, O>(plugin: &str, make: impl FnOnce() -> Reply<*mut O> + Send) -> Reply<*mut O> {
    let failed = |error| Refusal::new(RefusalKind::Panic, format!("its runtime cannot be started: {error}"));
    let Some(runtime) = L::launch(plugin).map_err(failed)? else { return make() };
    // A pointer is not `Send`, and only its address is needed.
    match signal::run_borrowed(&*runtime, || make().map(|object| object.expose_provenance())) {
        Ok(address) => {
            HOSTING.get_or_init(|| &registry::REGISTRY).own(address, runtime);
            Ok(std::ptr::with_exposed_provenance_mut(address))
        }
        Err(refusal) => {
            runtime.end(DEADLINE);
            Err(refusal)
        }
    }
}

/// What is done for objects that live at a runtime. An object is known by its address.
trait Hosting: Sync {
    /// An object lives at a runtime, which ends with it.
    fn own(&self, object: usize, runtime: Arc<dyn Runtime>);

    /// An object lives at a runtime, which another object owns.
    fn settle(&self, object: usize, runtime: Arc<dyn Runtime>);

    /// Where an object lives, if at any runtime.
    fn runtime_of(&self, object: usize) -> Option<Arc<dyn Runtime>>;

    /// Drops an object by `drop`, on the thread on which it lives.
    fn drop_object(&self, object: usize, drop: Job);

    /// A stream that is polled and dropped at a runtime.
    fn place_feed(&self, runtime: Arc<dyn Runtime>, feed: Box<dyn Feed>) -> Box<dyn Feed>;

    /// Gives back the memory of what is known of objects that are gone.
    fn forget_all(&self);
}

/// What is done for objects at a runtime, once there was one.
fn hosting() -> Option<&'static dyn Hosting> {
    HOSTING.get().copied()
}

/// Gives back the memory of what is known of objects that are gone.
pub(crate) fn forget_all() {
    if let Some(hosting) = hosting() {
        hosting.forget_all();
    }
}

/// Drops an object by `drop`, on the thread on which it lives.
pub(crate) fn drop_object<O>(object: *mut O, drop: impl FnOnce() + Send + 'static) {
    match hosting() {
        Some(hosting) => hosting.drop_object(object.addr(), Box::new(drop)),
        None => drop(),
    }
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
    let Some(runtime) = hosting().and_then(|hosting| hosting.runtime_of(object)) else { return future };
    // SAFETY: the future borrows the object. It is dropped by a job that was given to the runtime before the one that drops
    // the object: `Remote` gives it at the latest when the host drops it, and the host holds the object until then.
    let future = unsafe { std::mem::transmute::<BoxFuture<'a, O>, BoxFuture<'static, O>>(future) };
    Box::pin(Answering(Remote::spawn(runtime, future)))
}

/// What a call on the calling thread has just answered lives at this runtime, if at any.
pub(crate) fn of_result() -> Option<Arc<dyn Runtime>> {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // SAFETY: only `Answering` sets it, inside of `concluding`, which forgets it before the call is dropped.
    unsafe { ANSWERED.get().as_ref() }.cloned()
}

/// Runs what polls a call and makes what crosses of its result.
#[inline(always)]
pub(crate) fn concluding<V>(run: impl FnOnce() -> V) -> V {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return run();
    }
    let _forget = Forget(ANSWERED.replace(std::ptr::null()));
    run()
}

/// Forgets whose result it was.
struct Forget(*const Arc<dyn Runtime>);

impl Drop for Forget {
    fn drop(&mut self) {
        ANSWERED.set(self.0);
    }
}

/// Says that an object of this side's lives at a runtime, which another object owns.
pub(crate) fn settle<O>(object: *mut O, runtime: Option<Arc<dyn Runtime>>) {
    if let (Some(hosting), Some(runtime)) = (hosting(), runtime) {
        hosting.settle(object.addr(), runtime);
    }
}

/// Where a stream is polled that a call on the calling thread has just answered: at the runtime of its result, if any.
pub(crate) fn place_feed(feed: Box<dyn Feed>) -> Box<dyn Feed> {
    match (hosting(), of_result()) {
        (Some(hosting), Some(runtime)) => hosting.place_feed(runtime, feed),
        _ => feed,
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

fn ended() -> Refusal {
    Refusal::new(RefusalKind::Panic, "the plugin's runtime has ended")
}

/// Set in `make` alone, so that a library that launches no runtime links nothing of it.
static HOSTING: OnceLock<&'static dyn Hosting> = OnceLock::new();

/// How many objects live at a runtime, so that a call where there are none takes no lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How long an object may take to be dropped and its runtime to end.
const DEADLINE: Duration = Duration::from_secs(2);

thread_local! {
    /// The runtime of the call that was answered last on this thread, while its result is made ready to cross. Without a
    /// destructor: one on a thread of the host would pin the library.
    static ANSWERED: Cell<*const Arc<dyn Runtime>> = const { Cell::new(std::ptr::null()) };
}

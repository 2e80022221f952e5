//! A runtime of the plugin's own, on whose thread its object lives.
//!
//! A reactor belongs to the threads that drive it, and keeps thread-locals with destructors on every thread that touches
//! it: on a thread of the host they would pin the library. So the object of a plugin that asks for a runtime is made,
//! dropped, and polled on the runtime's thread alone. A thread of the host hands work over and waits, or is woken.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::future::BoxFuture;
use crate::options::CallOptions;
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
            host(address, Home { runtime, is_owner: true });
            Ok(std::ptr::with_exposed_provenance_mut(address))
        }
        Err(refusal) => {
            runtime.end(DEADLINE);
            Err(refusal)
        }
    }
}

/// An object's home.
#[derive(Clone)]
struct Home {
    runtime: Arc<dyn Runtime>,
    /// Whether the runtime ends with the object.
    is_owner: bool,
}

fn host(object: usize, home: Home) {
    lock(&HOSTED).insert(object, home);
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// Gives back the memory of what is known of objects that are gone.
pub(crate) fn forget_all() {
    let mut hosted = lock(&HOSTED);
    if hosted.is_empty() {
        *hosted = BTreeMap::new();
    }
}

/// Drops an object by `drop`, on the thread on which it lives.
pub(crate) fn drop_object<O>(object: *mut O, drop: impl FnOnce() + Send + 'static) {
    let Some(Home { runtime, is_owner }) = lock(&HOSTED).remove(&object.addr()) else { return drop() };
    COUNT.fetch_sub(1, Ordering::Relaxed);
    if !is_owner {
        // If the runtime has ended, the job is dropped on this thread, and with it the object.
        let object = DropBy(Some(drop));
        return runtime.run(Box::new(move || std::mem::drop(object)));
    }
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

/// Something that is dropped by a function, wherever that happens.
struct DropBy<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for DropBy<F> {
    fn drop(&mut self) {
        if let Some(drop) = self.0.take() {
            let _ = panic::catch(drop);
        }
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
    let Some(Home { runtime, .. }) = lock(&HOSTED).get(&object).cloned() else { return future };
    // SAFETY: the future borrows the object. It is dropped by a job that was given to the runtime before the one that drops
    // the object: `Remote` gives it at the latest when the host drops it, and the host holds the object until then.
    let future = unsafe { std::mem::transmute::<BoxFuture<'a, O>, BoxFuture<'static, O>>(future) };
    Box::pin(Remote::spawn(runtime, future))
}

/// What a call on the calling thread has just answered lives at this runtime, if at any.
pub(crate) fn of_result() -> Option<Arc<dyn Runtime>> {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // SAFETY: `concluding` sets it for as long as the call, which holds the runtime, is there.
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
    if let Some(runtime) = runtime {
        host(object.addr(), Home { runtime, is_owner: false });
    }
}

/// A call that runs on the runtime's thread.
struct Call<O> {
    options: CallOptions,
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
        let poll = || self.0.options.scope(|| future.as_mut().poll(context));
        let reply = match panic::catch(poll) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(refusal) => Err(refusal),
        };
        let ended = place.take();
        drop(place);
        let _ = panic::catch(|| drop(ended));
        self.0.answer(reply);
        Poll::Ready(())
    }
}

/// A runtime that ends drops what it has: then whoever waits for an answer hears that there will be none.
impl<O> Drop for Driver<O> {
    fn drop(&mut self) {
        let future = lock(&self.0.future).take();
        if future.is_some() {
            let _ = panic::catch(|| drop(future));
            self.0.answer(Err(ended()));
        }
    }
}

impl<O> Call<O> {
    fn answer(&self, reply: Reply<O>) {
        let mut outcome = lock(&self.outcome);
        if let Outcome::Waiting(waker) = &mut *outcome {
            let waker = waker.take();
            *outcome = Outcome::Done(reply);
            drop(outcome);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn ended() -> Refusal {
    Refusal::new(RefusalKind::Panic, "the plugin's runtime has ended")
}

/// A call as the host sees it. Dropping it drops the plugin's future.
pub(crate) struct Remote<O: Send + 'static> {
    call: Arc<Call<O>>,
    runtime: Arc<dyn Runtime>,
}

impl<O: Send + 'static> Remote<O> {
    /// Has a runtime poll a future, under the options of the call that this thread is in.
    pub(crate) fn spawn(runtime: Arc<dyn Runtime>, future: BoxFuture<'static, O>) -> Self {
        let options = CallOptions::current();
        let (future, outcome) = (Mutex::new(Some(future)), Mutex::new(Outcome::Waiting(None)));
        let call = Arc::new(Call { options, future, outcome });
        runtime.spawn(Box::pin(Driver(call.clone())));
        Self { call, runtime }
    }
}

impl<O: Send + 'static> Future for Remote<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        let mut outcome = lock(&self.call.outcome);
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Done(Ok(output)) => {
                ANSWERED.set(&raw const self.runtime);
                Poll::Ready(output)
            }
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
    result.unwrap_or_else(|| Err(ended()))
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
static HOSTED: Mutex<BTreeMap<usize, Home>> = Mutex::new(BTreeMap::new());

/// How many those are, so that a call where there are none takes no lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How long an object may take to be dropped and its runtime to end.
const DEADLINE: Duration = Duration::from_secs(2);

thread_local! {
    /// The runtime of the call that was answered last on this thread, while its result is made ready to cross. Without a
    /// destructor: one on a thread of the host would pin the library.
    static ANSWERED: Cell<*const Arc<dyn Runtime>> = const { Cell::new(std::ptr::null()) };
}

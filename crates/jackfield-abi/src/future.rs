//! Futures that are polled across the boundary.

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use crate::buffer::RawBytes;
use crate::cross::Cross;
use crate::object::Object;
use crate::shim::{self, Refusal, RefusalPlace, Reply, Return};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A future that lives in a library.
#[repr(C)]
#[derive(Debug)]
#[doc(hidden)]
pub struct RawFuture<R: Copy> {
    pub(crate) state: *mut c_void,
    pub(crate) poll: unsafe extern "C" fn(*mut c_void, WakerRef, *mut RawBytes) -> Return<R>,
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
}

/// Hands a pending future to the host.
pub(crate) fn export<R: Cross, E: Into<Refusal> + 'static>(
    future: BoxFuture<'_, Result<R, E>>,
) -> RawFuture<R::Repr> {
    RawFuture {
        state: Box::into_raw(Box::new(future)).cast(),
        poll: poll_exported::<R, E>,
        drop: drop_exported::<R, E>,
    }
}

unsafe extern "C" fn poll_exported<R: Cross, E: Into<Refusal>>(
    state: *mut c_void,
    waker: WakerRef,
    refusal: *mut RawBytes,
) -> Return<R::Repr> {
    // SAFETY: `export` made `state` with this type, and the host polls from one place at a time.
    shim::poll(unsafe { &mut *state.cast::<BoxFuture<'_, Result<R, E>>>() }, waker, refusal)
}

unsafe extern "C" fn drop_exported<R: Cross, E>(state: *mut c_void) {
    // SAFETY: `export` made `state` with this type, and the host drops it once.
    shim::discard(unsafe { Box::from_raw(state.cast::<BoxFuture<'_, Result<R, E>>>()) });
}

/// An asynchronous call at the host that did not answer at once. Dropping it cancels the call.
#[must_use = "the call goes on only while it is polled"]
pub struct Running<R: Cross> {
    future: RawFuture<R::Repr>,
    object: Arc<Object>,
    _result: PhantomData<fn() -> R>,
}

impl<R: Cross> Running<R> {
    /// # Safety
    /// A method with the result `R` of this object wrote `future` for this caller.
    pub(crate) unsafe fn new(future: RawFuture<R::Repr>, object: Arc<Object>) -> Self {
        Self { future, object, _result: PhantomData }
    }

    /// Polls the call. After it was ready it must not be polled again.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Reply<R>> {
        let mut refusal = RefusalPlace::uninit();
        let waker = WakerRef::new(context.waker());
        // SAFETY: the future is alive until `drop`, and `&mut self` makes this the only poll.
        let returned = unsafe { (self.future.poll)(self.future.state, waker, refusal.as_mut_ptr()) };
        // SAFETY: this is the outcome of the call above.
        match unsafe { shim::read::<R>(returned, &refusal, self.object.keep()) } {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

impl<R: Cross> Drop for Running<R> {
    fn drop(&mut self) {
        // SAFETY: it is dropped once, and the object field keeps the library mapped until after this.
        unsafe { (self.future.drop)(self.future.state) }
    }
}

impl<R: Cross> fmt::Debug for Running<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("object", &self.object).finish_non_exhaustive()
    }
}

// SAFETY: the library boxed a future that is `Send`.
unsafe impl<R: Cross> Send for Running<R> {}

/// The host's waker, lent to a library for one poll.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct WakerRef {
    pub(crate) waker: *const c_void,
    pub(crate) functions: *const WakerFunctions,
}

/// What a library may do with a lent waker, and with one that it keeps.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct WakerFunctions {
    pub(crate) keep: unsafe extern "C" fn(*const c_void) -> *const c_void,
    pub(crate) wake_lent: unsafe extern "C" fn(*const c_void),
    pub(crate) wake_kept: unsafe extern "C" fn(*const c_void),
    pub(crate) release: unsafe extern "C" fn(*const c_void),
}

static WAKER_FUNCTIONS: WakerFunctions =
    WakerFunctions { keep: keep_waker, wake_lent, wake_kept: wake_lent, release: release_waker };

unsafe extern "C" fn keep_waker(waker: *const c_void) -> *const c_void {
    // SAFETY: a lent waker is a `&Waker` of the poll that is running.
    let waker = unsafe { &*waker.cast::<Waker>() };
    // An executor's code must not unwind through the library; a call whose executor panics is not woken again.
    let clone = catch_unwind(AssertUnwindSafe(|| waker.clone()));
    let clone = clone.unwrap_or_else(|_| Waker::noop().clone());
    Box::into_raw(Box::new(clone)).cast_const().cast()
}

unsafe extern "C" fn wake_lent(waker: *const c_void) {
    // SAFETY: lent or kept, it points to a live `Waker`.
    let waker = unsafe { &*waker.cast::<Waker>() };
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref()));
}

unsafe extern "C" fn release_waker(waker: *const c_void) {
    // SAFETY: `keep_waker` boxed it, and its keeper releases it once.
    shim::discard(unsafe { Box::from_raw(waker.cast_mut().cast::<Waker>()) });
}

impl WakerRef {
    /// Lends a waker for one call.
    pub(crate) fn new(waker: &Waker) -> Self {
        Self { waker: std::ptr::from_ref(waker).cast(), functions: &raw const WAKER_FUNCTIONS }
    }

    /// Runs a poll with a waker of this library's own std that stands for the lent one.
    pub(crate) fn with<V>(&self, poll: impl FnOnce(&Waker) -> V) -> V {
        let data = std::ptr::from_ref(self).cast();
        // SAFETY: the functions of `LENT` keep the contract of a waker for as long as `self` lives.
        let waker = unsafe { Waker::new(data, &LENT) };
        poll(&ManuallyDrop::new(waker))
    }

    fn functions(&self) -> &WakerFunctions {
        // SAFETY: it points to a static of the host, which outlives every library.
        unsafe { &*self.functions }
    }
}

/// The waker during a poll: its data is the `WakerRef`. Its clones are [`Kept`] wakers.
static LENT: RawWakerVTable = RawWakerVTable::new(keep_lent, wake_by_ref_lent, wake_by_ref_lent, |_| {});

unsafe fn keep_lent(data: *const ()) -> RawWaker {
    // SAFETY: the data of `LENT` is a live `WakerRef`.
    let lent = unsafe { *data.cast::<WakerRef>() };
    // SAFETY: the lent waker is alive during the poll that clones it.
    let kept = unsafe { (lent.functions().keep)(lent.waker) };
    let waker =
        ManuallyDrop::new(Waker::from(Arc::new(Kept(WakerRef { waker: kept, functions: lent.functions }))));
    RawWaker::new(waker.data(), waker.vtable())
}

unsafe fn wake_by_ref_lent(data: *const ()) {
    // SAFETY: the data of `LENT` is a live `WakerRef`.
    let lent = unsafe { *data.cast::<WakerRef>() };
    // SAFETY: the lent waker is alive during the poll.
    unsafe { (lent.functions().wake_lent)(lent.waker) }
}

/// A clone of the host's waker that the library keeps.
struct Kept(WakerRef);

impl Wake for Kept {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // SAFETY: it is alive until `drop` releases it.
        unsafe { (self.0.functions().wake_kept)(self.0.waker) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: it is released once.
        unsafe { (self.0.functions().release)(self.0.waker) }
    }
}

// SAFETY: it stands for a `Waker` of the host, which is `Send`.
unsafe impl Send for Kept {}
// SAFETY: it stands for a `Waker` of the host, which is `Sync`.
unsafe impl Sync for Kept {}

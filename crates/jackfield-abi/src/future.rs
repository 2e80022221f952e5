//! Futures that are polled across the boundary.

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use crate::buffer::{Keep, RawBytes};
use crate::cross::Output;
use crate::method::Conclude;
use crate::object::Object;
use crate::options::CallOptions;
use crate::shim::{self, RefusalPlace, Reply, Return};

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

/// A future that was handed over, with what keeps the code of the side that polls it mapped.
struct Exported<'a, P> {
    future: BoxFuture<'a, P>,
    peer: Keep,
}

/// Hands a pending future to the caller, which `peer` keeps mapped.
pub(crate) fn export<C: Conclude>(
    future: BoxFuture<'_, C::Pending>,
    peer: &Keep,
) -> RawFuture<<C::Output as Output>::Repr> {
    RawFuture {
        state: Box::into_raw(Box::new(Exported { future, peer: peer.clone() })).cast(),
        poll: poll_exported::<C>,
        drop: drop_exported::<C>,
    }
}

unsafe extern "C" fn poll_exported<C: Conclude>(
    state: *mut c_void,
    waker: WakerRef,
    refusal: *mut RawBytes,
) -> Return<<C::Output as Output>::Repr> {
    // SAFETY: `export` made `state` with this type, and the caller polls from one place at a time.
    let Exported { future, peer } = unsafe { &mut *state.cast::<Exported<'_, C::Pending>>() };
    shim::poll::<C>(future, waker, peer, refusal)
}

unsafe extern "C" fn drop_exported<C: Conclude>(state: *mut c_void) {
    // SAFETY: `export` made `state` with this type, and the caller drops it once.
    shim::discard(unsafe { Box::from_raw(state.cast::<Exported<'_, C::Pending>>()) });
}

/// An asynchronous call at the host that did not answer at once. Dropping it cancels the call.
#[must_use = "the call goes on only while it is polled"]
pub struct Running<R: Output> {
    future: RawFuture<R::Repr>,
    object: Arc<Object>,
    _result: PhantomData<fn() -> R>,
}

impl<R: Output> Running<R> {
    /// # Safety
    /// A method with the result `R` of this object wrote `future` for this caller.
    pub(crate) unsafe fn new(future: RawFuture<R::Repr>, object: Arc<Object>) -> Self {
        Self { future, object, _result: PhantomData }
    }

    /// Polls the call under its options. After it was ready it must not be polled again.
    pub fn poll_with(&mut self, options: Option<&CallOptions>, context: &mut Context<'_>) -> Poll<Reply<R>> {
        match options {
            None => self.poll(context),
            Some(options) => options.enter(self.object.table().scope, || self.poll(context)),
        }
    }

    /// Polls the call. After it was ready it must not be polled again.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Reply<R>> {
        let mut refusal = RefusalPlace::uninit();
        let waker = WakerRef::new(context.waker());
        // SAFETY: the future is alive until `drop`, and `&mut self` makes this the only poll.
        let returned = unsafe { (self.future.poll)(self.future.state, waker, refusal.as_mut_ptr()) };
        // SAFETY: this is the outcome of the call above.
        match unsafe { shim::read::<R>(returned, &refusal, self.object.peer()) } {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

impl<R: Output> Drop for Running<R> {
    fn drop(&mut self) {
        // SAFETY: it is dropped once, and the object field keeps the library mapped until after this.
        unsafe { (self.future.drop)(self.future.state) }
    }
}

impl<R: Output> fmt::Debug for Running<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("object", &self.object).finish_non_exhaustive()
    }
}

// SAFETY: the library boxed a future that is `Send`.
unsafe impl<R: Output> Send for Running<R> {}

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

    /// Runs a poll with a waker of this side's own std that stands for the lent one. Its clones may outlive the poll,
    /// so they hold a share of `peer`, which keeps the lender's code mapped.
    pub(crate) fn with<V>(&self, peer: &Keep, poll: impl FnOnce(&Waker) -> V) -> V {
        let lent = Lent { waker: *self, peer };
        let data = std::ptr::from_ref(&lent).cast();
        // SAFETY: the functions of `LENT` keep the contract of a waker for as long as `lent` lives.
        let waker = unsafe { Waker::new(data, &LENT) };
        poll(&ManuallyDrop::new(waker))
    }

    fn functions(&self) -> &WakerFunctions {
        // SAFETY: it points to a static of the lender, which is mapped for as long as anything that it lent.
        unsafe { &*self.functions }
    }
}

/// A lent waker during a poll.
struct Lent<'a> {
    waker: WakerRef,
    peer: &'a Keep,
}

/// The waker during a poll: its data is a [`Lent`]. Its clones are [`Kept`] wakers.
static LENT: RawWakerVTable = RawWakerVTable::new(keep_lent, wake_by_ref_lent, wake_by_ref_lent, |_| {});

unsafe fn keep_lent(data: *const ()) -> RawWaker {
    // SAFETY: the data of `LENT` is a live `Lent`.
    let Lent { waker: lent, peer } = unsafe { &*data.cast::<Lent<'_>>() };
    // SAFETY: the lent waker is alive during the poll that clones it.
    let kept = unsafe { (lent.functions().keep)(lent.waker) };
    let kept = Kept { waker: WakerRef { waker: kept, functions: lent.functions }, _peer: (*peer).clone() };
    let waker = ManuallyDrop::new(Waker::from(Arc::new(kept)));
    RawWaker::new(waker.data(), waker.vtable())
}

unsafe fn wake_by_ref_lent(data: *const ()) {
    // SAFETY: the data of `LENT` is a live `Lent`.
    let lent = unsafe { &*data.cast::<Lent<'_>>() }.waker;
    // SAFETY: the lent waker is alive during the poll.
    unsafe { (lent.functions().wake_lent)(lent.waker) }
}

/// A clone of the other side's waker. The fields drop in this order: first the waker, then the share of its code.
struct Kept {
    waker: WakerRef,
    _peer: Keep,
}

impl Wake for Kept {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // SAFETY: it is alive until `drop` releases it.
        unsafe { (self.waker.functions().wake_kept)(self.waker.waker) }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: it is released once.
        unsafe { (self.waker.functions().release)(self.waker.waker) }
    }
}

// SAFETY: it stands for a `Waker` of the other side, which is `Send`.
unsafe impl Send for Kept {}
// SAFETY: it stands for a `Waker` of the other side, which is `Sync`.
unsafe impl Sync for Kept {}

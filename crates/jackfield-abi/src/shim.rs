//! How a call ends: with a result, a refusal or a panic, and never by unwinding across the boundary.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes};
use crate::cross::Output;
use crate::future::{self, BoxFuture, RawFuture, WakerRef};
use crate::method::Conclude;
use crate::panic;
use crate::runtime;
use crate::stream::Feed;

/// An entry whose argument and result types are known elsewhere.
pub(crate) type Erased = unsafe extern "C" fn();

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What happened.
    pub kind: RefusalKind,
    /// The plugin's own error, encoded, for [`RefusalKind::Fault`]; otherwise a text for people.
    pub bytes: Bytes,
}

/// What happened to a call that has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The method returned its own error.
    Fault,
    /// The request could not be decoded.
    Malformed,
    /// The method panicked.
    Panic,
    /// The other side answered with a status that this version does not know.
    Unknown,
}

impl Refusal {
    /// A refusal of `kind`.
    pub fn new(kind: RefusalKind, bytes: impl Into<Bytes>) -> Self {
        Self { kind, bytes: bytes.into() }
    }

    /// The bytes as a text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn status(&self) -> u32 {
        match self.kind {
            RefusalKind::Fault => FAULT,
            RefusalKind::Malformed => MALFORMED,
            RefusalKind::Panic => PANIC,
            RefusalKind::Unknown => UNKNOWN,
        }
    }
}

/// The outcome of a call.
pub type Reply<R> = Result<R, Refusal>;

/// What a callee returns: a status, and the result where the status is [`OK`]. A small result comes in registers.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Return<R: Copy> {
    pub(crate) status: u32,
    pub(crate) value: MaybeUninit<R>,
}

impl<R: Copy> Return<R> {
    #[inline(always)]
    pub(crate) fn is_ok(&self) -> bool {
        self.status == OK
    }

    /// Whether a stream has no message any more.
    pub(crate) fn is_end(&self) -> bool {
        self.status == END
    }

    #[inline(always)]
    fn without_value(status: u32) -> Self {
        Self { status, value: MaybeUninit::uninit() }
    }
}

impl<R: Copy> fmt::Debug for Return<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Return").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Where a callee writes its refusal, where the status is one.
pub(crate) type RefusalPlace = MaybeUninit<RawBytes>;

/// Runs a blocking method inside the library and returns its outcome.
#[inline(always)]
pub(crate) fn answer<R: Output>(
    place: *mut RawBytes,
    peer: &Keep,
    call: impl FnOnce() -> Reply<R>,
) -> Return<R::Repr> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => give(value, peer),
        Ok(Err(refusal)) => Return::without_value(refuse(place, refusal)),
        Err(payload) => Return::without_value(refuse_panic(place, payload)),
    }
}

/// Starts an asynchronous method inside the library, polls it once, and returns its outcome or hands its future over.
#[inline(always)]
pub(crate) fn begin<'a, C: Conclude>(
    (waker, peer): (WakerRef, &Keep),
    place: *mut RawBytes,
    pending: *mut RawFuture<<C::Output as Output>::Repr>,
    call: impl FnOnce() -> Reply<BoxFuture<'a, C::Pending>>,
) -> Return<<C::Output as Output>::Repr> {
    let mut started = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(future)) => future,
        Ok(Err(refusal)) => return Return::without_value(refuse(place, refusal)),
        Err(payload) => return Return::without_value(refuse_panic(place, payload)),
    };
    let returned = poll::<C>(&mut started, waker, peer, place);
    if returned.status == PENDING {
        // SAFETY: the caller passes a place for the future, which is uninitialised until here.
        unsafe { pending.write(future::export::<C>(started, peer)) };
    } else {
        discard(started);
    }
    returned
}

/// Polls a future inside the library and returns its outcome.
#[inline(always)]
pub(crate) fn poll<C: Conclude>(
    future: &mut BoxFuture<'_, C::Pending>,
    waker: WakerRef,
    peer: &Keep,
    place: *mut RawBytes,
) -> Return<<C::Output as Output>::Repr> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        runtime::concluding(|| {
            waker.with(peer, |waker| future.as_mut().poll(&mut Context::from_waker(waker))).map(C::conclude)
        })
    }));
    match polled {
        Ok(Poll::Pending) => Return::without_value(PENDING),
        Ok(Poll::Ready(Ok(value))) => give(value, peer),
        Ok(Poll::Ready(Err(refusal))) => Return::without_value(refuse(place, refusal)),
        Err(payload) => Return::without_value(refuse_panic(place, payload)),
    }
}

/// Asks a stream for its next message inside the side that has it.
pub(crate) fn next(
    feed: &mut dyn Feed,
    waker: WakerRef,
    peer: &Keep,
    place: *mut RawBytes,
) -> Return<RawBytes> {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        waker.with(peer, |waker| feed.poll_message(&mut Context::from_waker(waker)))
    }));
    match polled {
        Ok(Poll::Pending) => Return::without_value(PENDING),
        Ok(Poll::Ready(None)) => Return::without_value(END),
        Ok(Poll::Ready(Some(Ok(message)))) => give(message, peer),
        Ok(Poll::Ready(Some(Err(refusal)))) => Return::without_value(refuse(place, refusal)),
        Err(payload) => Return::without_value(refuse_panic(place, payload)),
    }
}

/// Drops a value of the plugin's own, whose destructor may panic too.
pub(crate) fn discard<V>(value: V) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        panic::log_caught("a destructor of the plugin", payload);
    }
}

/// Reads an outcome at the host. `None` means that the future is pending.
///
/// # Safety
/// A callee with the result `R` was given `place` and returned `returned`, which is read once.
#[inline(always)]
pub(crate) unsafe fn read<R: Output>(
    returned: Return<R::Repr>,
    place: &RefusalPlace,
    keep: &Keep,
) -> Option<Reply<R>> {
    if returned.is_ok() {
        // SAFETY: passed on.
        return Some(Ok(unsafe { read_value::<R>(returned, keep) }));
    }
    // SAFETY: passed on.
    unsafe { read_refusal::<R>(returned.status, place, keep) }
}

/// Reads a result at the host.
///
/// # Safety
/// As for [`read`], with the status [`OK`].
#[inline(always)]
pub(crate) unsafe fn read_value<R: Output>(returned: Return<R::Repr>, keep: &Keep) -> R {
    // SAFETY: with this status the callee returned a value.
    let value = unsafe { returned.value.assume_init() };
    // SAFETY: a result is taken once; `keep` is the callee's library.
    unsafe { R::take(value, keep) }
}

/// # Safety
/// As for [`read`].
#[cold]
#[inline(never)]
unsafe fn read_refusal<R: Output>(status: u32, place: &RefusalPlace, keep: &Keep) -> Option<Reply<R>> {
    let kind = match status {
        PENDING => return None,
        FAULT => RefusalKind::Fault,
        MALFORMED => RefusalKind::Malformed,
        PANIC => RefusalKind::Panic,
        // Nothing is known of what the callee wrote, so nothing is read.
        unknown => {
            let text = format!("the library answered with the unknown status {unknown}");
            return Some(Err(Refusal::new(RefusalKind::Unknown, text)));
        }
    };
    // SAFETY: with these statuses the callee wrote the refusal.
    let bytes = unsafe { place.assume_init() };
    // SAFETY: a refusal is taken once; `keep` is the callee's library.
    Some(Err(Refusal::new(kind, unsafe { bytes.into_bytes(keep) })))
}

#[inline(always)]
fn give<R: Output>(value: R, peer: &Keep) -> Return<R::Repr> {
    Return { status: OK, value: MaybeUninit::new(value.give(peer)) }
}

/// Runs code of the plugin's own, so it belongs to what is caught.
#[cold]
#[inline(never)]
pub(crate) fn into_refusal<E: Into<Refusal>>(error: E) -> Refusal {
    error.into()
}

#[cold]
#[inline(never)]
fn refuse_panic(place: *mut RawBytes, payload: Box<dyn std::any::Any + Send>) -> u32 {
    refuse(place, panic::refusal(payload))
}

#[cold]
#[inline(never)]
fn refuse(place: *mut RawBytes, refusal: Refusal) -> u32 {
    let status = refusal.status();
    // SAFETY: the host passes a place for the refusal, which is uninitialised until here.
    unsafe { place.write(RawBytes::from_bytes(refusal.bytes)) };
    status
}

const OK: u32 = 0;
const FAULT: u32 = 1;
const PANIC: u32 = 2;
const PENDING: u32 = 3;
const MALFORMED: u32 = 4;
const UNKNOWN: u32 = 5;
const END: u32 = 6;

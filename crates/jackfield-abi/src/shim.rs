//! How a call ends: with a result, a refusal or a panic, and never by unwinding across the boundary.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::buffer::{Keep, RawBytes};
use crate::cross::Cross;
use crate::future::{self, BoxFuture, RawFuture, WakerRef};
use crate::panic;

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

/// Where a callee writes its result or its refusal. The status says which.
#[repr(C)]
#[derive(Clone, Copy)]
#[doc(hidden)]
pub union Return<R: Copy> {
    value: R,
    refusal: RawBytes,
}

impl<R: Copy> fmt::Debug for Return<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Return")
    }
}

/// Runs a blocking method inside the library and writes its outcome.
pub(crate) fn answer<R: Cross, E: Into<Refusal>>(
    out: *mut Return<R::Repr>,
    call: impl FnOnce() -> Result<R, E>,
) -> u32 {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => write(out, value),
        Ok(Err(error)) => refuse(out, error.into()),
        Err(payload) => refuse(out, panic::refusal(payload)),
    }
}

/// Starts an asynchronous method inside the library, polls it once, and writes its outcome or its future.
pub(crate) fn begin<'a, R: Cross, E: Into<Refusal> + 'static>(
    waker: WakerRef,
    out: *mut Return<R::Repr>,
    pending: *mut RawFuture<R::Repr>,
    call: impl FnOnce() -> BoxFuture<'a, Result<R, E>>,
) -> u32 {
    let mut started = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(future) => future,
        Err(payload) => return refuse(out, panic::refusal(payload)),
    };
    let status = poll(&mut started, waker, out);
    if status == PENDING {
        // SAFETY: the host passes a place for the future, which is uninitialised until here.
        unsafe { pending.write(future::export(started)) };
    } else {
        discard(started);
    }
    status
}

/// Polls a future inside the library and writes its outcome.
pub(crate) fn poll<R: Cross, E: Into<Refusal>>(
    future: &mut BoxFuture<'_, Result<R, E>>,
    waker: WakerRef,
    out: *mut Return<R::Repr>,
) -> u32 {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        waker.with(|waker| future.as_mut().poll(&mut Context::from_waker(waker)))
    }));
    match polled {
        Ok(Poll::Pending) => PENDING,
        Ok(Poll::Ready(Ok(value))) => write(out, value),
        Ok(Poll::Ready(Err(error))) => refuse(out, error.into()),
        Err(payload) => refuse(out, panic::refusal(payload)),
    }
}

/// Drops a value of the plugin's own, whose destructor may panic too.
pub(crate) fn discard<V>(value: V) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload that panics in its own destructor has nothing to say that anybody could hear.
        std::mem::forget(payload);
    }
}

/// Reads an outcome at the host. `None` means that the future is pending.
///
/// # Safety
/// `out` was passed to a callee with the result `R`, which returned `status`; it is read once.
pub(crate) unsafe fn read<R: Cross>(
    status: u32,
    out: MaybeUninit<Return<R::Repr>>,
    keep: &Keep,
) -> Option<Reply<R>> {
    if status == OK {
        // SAFETY: with this status the callee wrote `value`.
        let value = unsafe { out.assume_init().value };
        // SAFETY: a result is taken once; `keep` is the callee's library.
        return Some(Ok(unsafe { R::take(value, keep) }));
    }
    // SAFETY: passed on.
    unsafe { read_refusal::<R>(status, out, keep) }
}

/// # Safety
/// As for [`read`].
#[cold]
unsafe fn read_refusal<R: Cross>(
    status: u32,
    out: MaybeUninit<Return<R::Repr>>,
    keep: &Keep,
) -> Option<Reply<R>> {
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
    // SAFETY: with these statuses the callee wrote `refusal`.
    let bytes = unsafe { out.assume_init().refusal };
    // SAFETY: a refusal is taken once; `keep` is the callee's library.
    Some(Err(Refusal::new(kind, unsafe { bytes.into_bytes(keep) })))
}

fn write<R: Cross>(out: *mut Return<R::Repr>, value: R) -> u32 {
    // SAFETY: the host passes a place for the result, which is uninitialised until here.
    unsafe { out.write(Return { value: value.give() }) };
    OK
}

#[cold]
fn refuse<R: Copy>(out: *mut Return<R>, refusal: Refusal) -> u32 {
    let status = refusal.status();
    // SAFETY: the host passes a place for the result, which is uninitialised until here.
    unsafe { out.write(Return { refusal: RawBytes::from_bytes(refusal.bytes) }) };
    status
}

pub(crate) const OK: u32 = 0;
const FAULT: u32 = 1;
const PANIC: u32 = 2;
const PENDING: u32 = 3;
const MALFORMED: u32 = 4;
const UNKNOWN: u32 = 5;

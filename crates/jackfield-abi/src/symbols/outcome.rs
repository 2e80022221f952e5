//! How the call of a symbol ends: with a value, a refusal or a panic, and never by unwinding across the boundary.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::buffer::{Keep, RawBytes};
use crate::panic;
use crate::shim::{Refusal, RefusalKind, RefusalPlace, Reply};

/// What a callee returns: a status, and the value where the status is 0. A small value comes in registers.
///
/// With the status 1 (it refused) or 2 (it panicked) the callee has written a text to the place that it was given.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Outcome<R: Copy> {
    pub(crate) status: u32,
    pub(crate) value: MaybeUninit<R>,
}

impl<R: Copy> fmt::Debug for Outcome<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Runs a function and returns its outcome across the boundary.
#[inline(always)]
pub(super) fn answer<R: Copy>(place: *mut RawBytes, call: impl FnOnce() -> Reply<R>) -> Outcome<R> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Outcome { status: DONE, value: MaybeUninit::new(value) },
        Ok(Err(refusal)) => Outcome { status: refuse(place, refusal), value: MaybeUninit::uninit() },
        Err(payload) => Outcome { status: refuse_panic(place, payload), value: MaybeUninit::uninit() },
    }
}

/// Reads an outcome.
///
/// # Safety
/// A callee was given `place` and returned `outcome`, which is read once; `peer` keeps the callee's code mapped.
#[inline(always)]
pub(super) unsafe fn read<R: Copy>(outcome: Outcome<R>, place: &RefusalPlace, peer: &Keep) -> Reply<R> {
    if outcome.status == DONE {
        // SAFETY: with this status the callee returned a value.
        return Ok(unsafe { outcome.value.assume_init() });
    }
    // SAFETY: passed on.
    Err(unsafe { read_refusal(outcome.status, place, peer) })
}

/// # Safety
/// As for [`read`].
#[cold]
#[inline(never)]
unsafe fn read_refusal(status: u32, place: &RefusalPlace, peer: &Keep) -> Refusal {
    let kind = match status {
        REFUSED => RefusalKind::Fault,
        PANICKED => RefusalKind::Panic,
        // Nothing is known of what the callee wrote, so nothing is read.
        unknown => {
            let text = format!("the other side answered with the unknown status {unknown}");
            return Refusal::new(RefusalKind::Unknown, text);
        }
    };
    // SAFETY: with these statuses the callee wrote the refusal.
    let bytes = unsafe { place.assume_init() };
    // SAFETY: it is taken once. It is copied, since the callee's library may go before it does.
    Refusal::new(kind, unsafe { bytes.into_bytes(peer) }.to_vec())
}

#[cold]
#[inline(never)]
fn refuse_panic(place: *mut RawBytes, payload: Box<dyn std::any::Any + Send>) -> u32 {
    refuse(place, panic::refusal(payload))
}

#[cold]
#[inline(never)]
fn refuse(place: *mut RawBytes, refusal: Refusal) -> u32 {
    let status = if refusal.kind == RefusalKind::Panic { PANICKED } else { REFUSED };
    // SAFETY: the caller passes a place for the refusal, which is uninitialised until here.
    unsafe { place.write(RawBytes::from_bytes(refusal.bytes)) };
    status
}

/// Catches a panic of this side's own, as if the call had crossed.
pub(super) fn caught<V>(call: impl FnOnce() -> V) -> Reply<V> {
    catch_unwind(AssertUnwindSafe(call)).map_err(panic::refusal)
}

const DONE: u32 = 0;
const REFUSED: u32 = 1;
const PANICKED: u32 = 2;

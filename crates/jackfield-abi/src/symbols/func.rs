//! A function as a value: it can be kept, handed over and called on either side.

use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Weak};

use super::outcome;
use super::portable::Portable;
use super::signature::Signature;
use super::symbol::Target;
use crate::buffer::{Keep, Keeper};
use crate::shim::{self, Erased, Refusal, RefusalKind, Reply};
use crate::type_text::TypeText;

/// A function as a value, such as `Func<fn(i64) -> i64>`. It runs where it was made, whoever calls it.
///
/// Cloning is cheap, and clones are the same function.
///
/// ```
/// use jackfield_abi::symbols::Func;
///
/// let double = Func::<fn(i64) -> i64>::new(|number| number * 2);
/// assert_eq!(double.call(21), Ok(42));
/// ```
pub struct Func<S: Signature> {
    origin: Origin<S>,
}

/// Where a function was made.
enum Origin<S: Signature> {
    Here(Arc<Local<S>>),
    There(Arc<Foreign>),
}

type Local<S> = dyn Fn(<S as Signature>::Arguments) -> <S as Signature>::Output + Send + Sync;

/// A function of the other side, and what keeps its code mapped. The fields drop in this order.
struct Foreign {
    raw: RawFunc,
    peer: Keep,
}

/// A function value in C layout: `call` takes `data` before its arguments, and `drop` ends it, once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawFunc {
    pub(crate) data: *mut c_void,
    pub(crate) call: Erased,
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
}

/// A function that was given to the other side.
pub(super) struct Given<S: Signature> {
    pub(super) func: Func<S>,
    /// Weak, so that a library that keeps the function does not keep itself mapped.
    peer: Option<Weak<dyn Keeper>>,
}

impl<S: Signature> Func<S> {
    pub(super) fn local(function: impl Fn(S::Arguments) -> S::Output + Send + Sync + 'static) -> Self {
        Self { origin: Origin::Here(Arc::new(function)) }
    }

    /// Calls the function with its arguments as a tuple.
    ///
    /// # Errors
    ///
    /// It panicked, or the plugin that it came from is being unloaded.
    pub fn call_with(&self, arguments: S::Arguments) -> Reply<S::Output> {
        match &self.origin {
            Origin::Here(function) => outcome::caught(|| function(arguments)),
            // SAFETY: only `take` makes one, of this type.
            Origin::There(foreign) => unsafe {
                S::call(arguments, foreign.raw.call, foreign.raw.data, &foreign.peer)
            },
        }
    }
}

impl<S: Signature> Given<S> {
    /// What keeps the code of whoever calls mapped.
    ///
    /// # Errors
    ///
    /// The caller is being unloaded: a thread of its own calls.
    #[inline(always)]
    pub(super) fn peer(&self) -> Reply<Keep> {
        match &self.peer {
            None => Ok(None),
            Some(peer) => peer.upgrade().map(Some).ok_or_else(being_unloaded),
        }
    }
}

#[cold]
fn being_unloaded() -> Refusal {
    Refusal::new(RefusalKind::Fault, "the plugin that calls is being unloaded")
}

impl<S: Signature> Clone for Func<S> {
    fn clone(&self) -> Self {
        let origin = match &self.origin {
            Origin::Here(function) => Origin::Here(function.clone()),
            Origin::There(foreign) => Origin::There(foreign.clone()),
        };
        Self { origin }
    }
}

impl<S: Signature> fmt::Debug for Func<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Func").field(&S::NAME).finish()
    }
}

// SAFETY: the name is of the signature, whose shim crosses.
unsafe impl<S: Signature> Portable for Func<S> {
    type Repr = RawFunc;
    const NAME: &'static str = const { &TypeText::new().push("Func<").push(S::NAME).push(">") }.as_str();
    const NEEDS_PEER: bool = true;

    fn give(self, peer: &Keep) -> RawFunc {
        let peer = if S::NEEDS_PEER { peer.as_ref().map(Arc::downgrade) } else { None };
        let data = Box::into_raw(Box::new(Given { func: self, peer })).cast();
        RawFunc { data, call: S::GIVEN, drop: drop_given::<S> }
    }

    unsafe fn take(raw: RawFunc, peer: &Keep) -> Self {
        Self { origin: Origin::There(Arc::new(Foreign { raw, peer: peer.clone() })) }
    }
}

unsafe extern "C" fn drop_given<S: Signature>(data: *mut c_void) {
    // SAFETY: `give` boxed it with this type, and it is dropped once.
    shim::discard(unsafe { Box::from_raw(data.cast::<Given<S>>()) });
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: this is the one time, and `peer` is dropped after it.
        unsafe { (self.raw.drop)(self.raw.data) }
    }
}

// SAFETY: the function that it stands for is `Send`.
unsafe impl Send for Foreign {}
// SAFETY: the function that it stands for is `Sync`.
unsafe impl Sync for Foreign {}

impl fmt::Debug for RawFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawFunc").field("data", &self.data).finish_non_exhaustive()
    }
}

/// A function that a library registered, whose type is known by its text only.
#[derive(Clone)]
pub struct Registered {
    ty: Arc<str>,
    foreign: Arc<Foreign>,
}

impl Registered {
    /// # Safety
    /// The function has the type of this text, was given, and is taken once; `peer` keeps its code mapped.
    pub(super) unsafe fn take(ty: &str, raw: RawFunc, peer: &Keep) -> Self {
        Self { ty: ty.into(), foreign: Arc::new(Foreign { raw, peer: peer.clone() }) }
    }

    /// The text of its type.
    pub fn ty(&self) -> &str {
        &self.ty
    }

    /// What a host calls of it, while the function is alive.
    pub fn target(&self) -> Target {
        Target::of_function(self.foreign.raw.data, self.foreign.raw.call)
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.ty).finish()
    }
}

/// A function that a host offers, whose type is known by its text only.
#[derive(Clone)]
pub struct Offered {
    ty: &'static str,
    give: Arc<dyn Fn(&Keep) -> RawFunc + Send + Sync>,
}

impl Offered {
    /// The text of its type.
    pub fn ty(&self) -> &'static str {
        self.ty
    }

    pub(super) fn give(&self, peer: &Keep) -> RawFunc {
        (self.give)(peer)
    }
}

impl<S: Signature> From<Func<S>> for Offered {
    fn from(func: Func<S>) -> Self {
        Self { ty: S::NAME, give: Arc::new(move |peer| func.clone().give(peer)) }
    }
}

impl fmt::Debug for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Offered").field(&self.ty).finish()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RefusalKind::Panic => write!(f, "the function panicked: {}", self.text()),
            _ => f.write_str(&self.text()),
        }
    }
}

impl std::error::Error for Refusal {}

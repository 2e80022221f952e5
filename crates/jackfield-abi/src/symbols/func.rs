//! A function as a value: it can be kept, handed over and called on either side.

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::signature::Signature;
use super::symbol::{Target, stray_pending};
use super::type_text::TypeText;
use crate::buffer::Keep;
use crate::cross::{Arguments, Cross};
use crate::shim::{self, Erased, Refusal, RefusalKind, RefusalPlace, Reply};

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
pub struct Func<S> {
    shared: Arc<Shared>,
    _signature: PhantomData<S>,
}

/// A function and what keeps its code mapped. The fields drop in this order.
struct Shared {
    raw: RawFunc,
    keep: Keep,
}

/// A function value in C layout: `call` takes `data` before its arguments, `drop` takes `owner`, once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawFunc {
    pub(crate) data: *const c_void,
    pub(crate) call: Erased,
    pub(crate) owner: *mut c_void,
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
}

impl<S> Func<S> {
    /// # Safety
    /// `call` is the shim of this closure with the types of `S`.
    pub(super) unsafe fn of_closure<F: Send + Sync + 'static>(function: F, call: Erased) -> Self {
        let owner = Box::into_raw(Box::new(function));
        let raw =
            RawFunc { data: owner.cast_const().cast(), call, owner: owner.cast(), drop: drop_boxed::<F> };
        Self::of(raw, None)
    }

    fn of(raw: RawFunc, keep: Keep) -> Self {
        Self { shared: Arc::new(Shared { raw, keep }), _signature: PhantomData }
    }
}

impl<S: Signature> Func<S> {
    /// Calls the function with its arguments as a tuple.
    ///
    /// # Errors
    ///
    /// It panicked.
    pub fn call_with(&self, arguments: S::Arguments) -> Reply<S::Output> {
        let Shared { raw, keep } = &*self.shared;
        let mut place = RefusalPlace::uninit();
        // SAFETY: only the constructor and `Cross` make a function, both with the types of `S`.
        let returned = unsafe { arguments.call::<S::Output>(raw.call, raw.data.cast(), place.as_mut_ptr()) };
        // SAFETY: this is the outcome of the call above.
        unsafe { shim::read::<S::Output>(returned, &place, keep) }.unwrap_or_else(stray_pending)
    }
}

/// A function whose type is known by its text only.
#[derive(Clone)]
pub struct AnyFunc {
    ty: Box<str>,
    shared: Arc<Shared>,
}

impl AnyFunc {
    /// # Safety
    /// The function has the type of this text, was given, and is taken once; `keep` keeps its code mapped.
    pub(super) unsafe fn take(ty: String, raw: RawFunc, keep: &Keep) -> Self {
        Self { ty: ty.into(), shared: Arc::new(Shared { raw, keep: keep.clone() }) }
    }

    /// The text of its type.
    pub fn ty(&self) -> &str {
        &self.ty
    }

    /// What a host calls of it, while the function is alive.
    pub fn target(&self) -> Target {
        Target::of_function(self.shared.raw.data, self.shared.raw.call)
    }

    /// The function, if it is of this type.
    pub fn downcast<S: Signature>(&self) -> Option<Func<S>> {
        (*self.ty == *S::NAME).then(|| Func { shared: self.shared.clone(), _signature: PhantomData })
    }
}

impl<S: Signature> From<Func<S>> for AnyFunc {
    fn from(func: Func<S>) -> Self {
        Self { ty: S::NAME.into(), shared: func.shared }
    }
}

impl fmt::Debug for AnyFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyFunc").field(&self.ty).finish()
    }
}

// SAFETY: what crosses is one share of the function, which is handed over. Its type is told beside it.
unsafe impl Cross for AnyFunc {
    type Repr = RawFunc;
    const NAME: &'static str = "func";

    fn lend(&mut self) -> RawFunc {
        self.clone().give()
    }

    unsafe fn receive(repr: RawFunc) -> Self {
        // SAFETY: passed on. Without its type it cannot be called.
        unsafe { Self::take(String::new(), repr, &None) }
    }

    fn give(self) -> RawFunc {
        give(self.shared)
    }

    unsafe fn take(repr: RawFunc, keep: &Keep) -> Self {
        // SAFETY: passed on. Without its type it cannot be called.
        unsafe { Self::take(String::new(), repr, keep) }
    }
}

impl<S> Clone for Func<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), _signature: PhantomData }
    }
}

impl<S: Signature> fmt::Debug for Func<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Func").field(&S::NAME).finish()
    }
}

// SAFETY: the name is of the signature; what crosses is one share of the function, which is handed over.
unsafe impl<S: Signature> Cross for Func<S> {
    type Repr = RawFunc;
    const NAME: &'static str = const { &TypeText::new().push("func ").push(S::NAME) }.as_str();

    fn lend(&mut self) -> RawFunc {
        self.clone().give()
    }

    unsafe fn receive(repr: RawFunc) -> Self {
        Self::of(repr, None)
    }

    fn give(self) -> RawFunc {
        give(self.shared)
    }

    unsafe fn take(repr: RawFunc, keep: &Keep) -> Self {
        Self::of(repr, keep.clone())
    }
}

/// Hands a share of a function over.
fn give(shared: Arc<Shared>) -> RawFunc {
    let RawFunc { data, call, .. } = shared.raw;
    RawFunc { data, call, owner: Arc::into_raw(shared).cast_mut().cast(), drop: drop_share }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: this is the one time, and `keep` is dropped after it.
        unsafe { (self.raw.drop)(self.raw.owner) }
    }
}

// SAFETY: the function that it stands for is `Send`.
unsafe impl Send for Shared {}
// SAFETY: the function that it stands for is `Sync`.
unsafe impl Sync for Shared {}

unsafe extern "C" fn drop_boxed<F>(owner: *mut c_void) {
    // SAFETY: `of_closure` boxed it with this type, and it is dropped once.
    shim::discard(unsafe { Box::from_raw(owner.cast::<F>()) });
}

unsafe extern "C" fn drop_share(owner: *mut c_void) {
    // SAFETY: `give` made it, and it is dropped once.
    shim::discard(unsafe { Arc::from_raw(owner.cast_const().cast::<Shared>()) });
}

impl fmt::Debug for RawFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawFunc").field("data", &self.data).finish_non_exhaustive()
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

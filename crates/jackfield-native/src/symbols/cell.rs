//! Where the current code of one symbol is swapped.

use std::fmt;

use jackfield_abi::symbols::{Kind, Operation, Registered, Signature, Target};
use jackfield_abi::{HotSlot, Keep, Refusal, RefusalKind};
use jackfield_core::CallError;

/// Where the current code of one symbol is swapped. Its name, kind and type never change.
pub(super) struct Cell {
    pub(super) name: Box<str>,
    pub(super) ty: Box<str>,
    pub(super) kind: Kind,
    pub(super) hot: HotSlot<Live>,
}

/// What a symbol is at the moment.
pub(super) enum Live {
    /// Its plugin is gone.
    Closed(CallError),
    /// It can be called.
    Open(Open),
}

/// A symbol that can be called. The fields drop in this order.
pub(super) struct Open {
    target: Target,
    /// A function that was registered is a value, which has to be kept.
    _registered: Option<Registered>,
    keep: Keep,
}

impl Live {
    /// What keeps the symbol's code mapped.
    pub(super) fn keep(&self) -> &Keep {
        match self {
            Self::Open(open) => &open.keep,
            Self::Closed(_) => &None,
        }
    }
}

impl Open {
    /// What a library exports.
    pub(super) fn exported(target: Target, keep: Keep) -> Self {
        Self { target, _registered: None, keep }
    }

    /// What a library registered.
    pub(super) fn registered(function: Registered, keep: Keep) -> Self {
        Self { target: function.target(), _registered: Some(function), keep }
    }

    /// What is called.
    pub(super) fn target(&self) -> Target {
        self.target
    }

    /// Calls an operation. The error is boxed, so that a small result stays in registers: what is as large as an error
    /// would be returned in memory.
    ///
    /// # Safety
    ///
    /// The symbol's kind has the operation, with this type.
    #[inline(always)]
    unsafe fn call<S: Signature>(
        &self,
        operation: Operation,
        arguments: S::Arguments,
    ) -> Result<S::Output, Box<CallError>> {
        // SAFETY: the caller says so, and `keep` keeps the library mapped.
        unsafe { self.target.call::<S>(operation, arguments, &self.keep) }.map_err(call_error)
    }
}

impl Cell {
    /// Calls an operation of whatever is current.
    ///
    /// # Safety
    ///
    /// As for [`Open::call`].
    #[inline(always)]
    pub(super) unsafe fn call<S: Signature>(
        &self,
        operation: Operation,
        arguments: S::Arguments,
    ) -> Result<S::Output, CallError> {
        if let Some(live) = self.hot.try_enter()
            && let Live::Open(open) = &*live
        {
            // SAFETY: passed on.
            let called = unsafe { open.call::<S>(operation, arguments) };
            // It ends before the result is as large as an error: that would be written before and read again after it.
            drop(live);
            return called.map_err(unboxed);
        }
        // SAFETY: passed on.
        unsafe { self.call_slowly::<S>(operation, arguments) }.map_err(unboxed)
    }

    /// All other ways, kept out of line so that the first is short: a call inside a call, a thread's first one.
    ///
    /// # Safety
    ///
    /// As for [`Open::call`].
    #[inline(never)]
    unsafe fn call_slowly<S: Signature>(
        &self,
        operation: Operation,
        arguments: S::Arguments,
    ) -> Result<S::Output, Box<CallError>> {
        match &*self.hot.enter() {
            // SAFETY: passed on.
            Live::Open(open) => unsafe { open.call::<S>(operation, arguments) },
            Live::Closed(error) => Err(Box::new(error.clone())),
        }
    }

    /// Whether the symbol is of this kind and type.
    pub(super) fn is(&self, kind: Kind, ty: &str) -> bool {
        self.kind == kind && *self.ty == *ty
    }

    /// What the symbol is, for people: a function `fn(i64) -> i64`, a variable `Var<i64>`.
    pub(super) fn description(&self) -> String {
        describe(self.kind, &self.ty)
    }
}

/// What a symbol of this kind and type is, for people.
pub(super) fn describe(kind: Kind, ty: &str) -> String {
    match kind {
        Kind::Function => format!("a function `{ty}`"),
        Kind::Variable => format!("a variable `Var<{ty}>`"),
    }
}

/// Out of line, so that there is little to do around a call.
#[cold]
#[inline(never)]
#[expect(clippy::boxed_local, reason = "a box is what comes")]
pub(super) fn unboxed(error: Box<CallError>) -> CallError {
    *error
}

#[cold]
#[inline(never)]
pub(super) fn call_error(refusal: Refusal) -> Box<CallError> {
    let text = refusal.text();
    Box::new(match refusal.kind {
        RefusalKind::Panic => CallError::Panicked { message: text },
        _ => CallError::Wire { reason: text },
    })
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("name", &self.name).field("ty", &self.ty).finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(error) => f.debug_tuple("Closed").field(error).finish(),
            Self::Open(_) => f.debug_tuple("Open").finish(),
        }
    }
}

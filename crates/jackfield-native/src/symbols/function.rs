//! A function of a plugin at the host.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use jackfield_abi::symbols::{Operation, Portable, Signature, Target};
use jackfield_core::CallError;

use super::cell::{Cell, Live, call_error, unboxed};

/// A function of a plugin, such as `Function<fn(i64) -> i64>`.
///
/// It survives a reload of the plugin: a call that has begun ends in the old code, the next one runs the new code.
/// After the plugin was unloaded every call returns [`CallError::Closed`] at once. Cloning is cheap.
pub struct Function<S> {
    cell: Arc<Cell>,
    _signature: PhantomData<S>,
}

/// A function that is held where it is: the code stays in this process while this is alive, and calls need not ask
/// whether it does.
///
/// A reload or an unload does not wait for it. It goes on with the old code, whose library is then reported as pinned.
#[must_use = "the code is held only while this is alive"]
pub struct Pinned<S> {
    /// What is called of `live`, which keeps it.
    target: Target,
    live: Arc<Live>,
    _signature: PhantomData<S>,
}

impl<S: Signature> Function<S> {
    /// A function whose cell has this type.
    pub(super) fn new(cell: Arc<Cell>) -> Self {
        Self { cell, _signature: PhantomData }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.cell.name
    }

    /// Calls it with the arguments as a tuple.
    ///
    /// # Errors
    ///
    /// It panicked, or its plugin was unloaded.
    #[inline(always)]
    pub fn call_with(&self, arguments: S::Arguments) -> Result<S::Output, CallError> {
        // SAFETY: `new` was given a function of this type.
        unsafe { self.cell.call::<S>(Operation::Call, arguments) }
    }

    /// Holds the code that is current.
    ///
    /// # Errors
    ///
    /// The plugin was unloaded.
    pub fn pin(&self) -> Result<Pinned<S>, CallError> {
        let live = self.cell.hot.load();
        let target = match &*live {
            Live::Open(open) => open.target(),
            Live::Closed(error) => return Err(error.clone()),
        };
        Ok(Pinned { target, live, _signature: PhantomData })
    }
}

impl<S: Signature> Pinned<S> {
    /// Calls the function with the arguments as a tuple.
    ///
    /// # Errors
    ///
    /// It panicked.
    #[inline(always)]
    pub fn call_with(&self, arguments: S::Arguments) -> Result<S::Output, CallError> {
        let keep = if S::NEEDS_PEER { self.live.keep() } else { &None };
        // SAFETY: `pin` took it from a function of this type. `live` keeps the library mapped, and where values need it for
        // longer they are given its share.
        unsafe { self.target.call::<S>(Operation::Call, arguments, keep) }
            .map_err(call_error)
            .map_err(unboxed)
    }
}

macro_rules! call {
    ($($argument:ident),*) => {
        #[allow(
            non_snake_case,
            clippy::allow_attributes,
            clippy::too_many_arguments,
            reason = "type parameters name the variables"
        )]
        const _: () = {
            impl<$($argument: Portable,)* R: Portable> Function<fn($($argument),*) -> R> {
                /// Calls the function.
                ///
                /// # Errors
                ///
                /// It panicked, or its plugin was unloaded.
                #[inline(always)]
                pub fn call(&self, $($argument: $argument),*) -> Result<R, CallError> {
                    self.call_with(($($argument,)*))
                }
            }

            impl<$($argument: Portable,)* R: Portable> Pinned<fn($($argument),*) -> R> {
                /// Calls the function.
                ///
                /// # Errors
                ///
                /// It panicked.
                #[inline(always)]
                pub fn call(&self, $($argument: $argument),*) -> Result<R, CallError> {
                    self.call_with(($($argument,)*))
                }
            }
        };
    };
}

call!();
call!(A);
call!(A, B);
call!(A, B, C);
call!(A, B, C, D);
call!(A, B, C, D, E);
call!(A, B, C, D, E, F);
call!(A, B, C, D, E, F, G);
call!(A, B, C, D, E, F, G, H);

impl<S> Clone for Function<S> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone(), _signature: PhantomData }
    }
}

impl<S> fmt::Debug for Function<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("cell", &self.cell).finish()
    }
}

impl<S> fmt::Debug for Pinned<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("live", &self.live).finish()
    }
}

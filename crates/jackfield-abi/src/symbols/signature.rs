//! A function type whose arguments and result can cross.

use std::ffi::c_void;

use super::exported::Function;
use super::func::{Func, Given};
use super::outcome::{self, Outcome};
use super::portable::Portable;
use crate::buffer::{Keep, RawBytes};
use crate::shim::{Erased, RefusalPlace, Reply};
use crate::type_text::TypeText;

/// A function type whose arguments and result can cross: `fn(A, …) -> R`, with up to eight arguments.
///
/// The trait is sealed: a call turns an erased function pointer back into one of this type.
pub trait Signature: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The arguments as a tuple.
    type Arguments;
    /// The result.
    type Output: Portable;
    /// The text of the type.
    const NAME: &'static str;
    /// Whether an argument or the result needs its giver.
    const NEEDS_PEER: bool;

    /// The shim of a function that was given to the other side.
    #[doc(hidden)]
    const GIVEN: Erased;

    /// Calls a function of the other side.
    ///
    /// # Safety
    /// `function` is a shim of a function of this type, which takes `data`; `peer` keeps its code mapped.
    #[doc(hidden)]
    unsafe fn call(
        arguments: Self::Arguments,
        function: Erased,
        data: *const c_void,
        peer: &Keep,
    ) -> Reply<Self::Output>;
}

/// The shim that a library exports for the function `M`.
pub trait Exporting<M>: Signature {
    #[doc(hidden)]
    const EXPORTED: Erased;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! signature {
    ($($argument:ident $index:literal),*) => {
        impl<$($argument: Portable,)* R: Portable> sealed::Sealed for fn($($argument),*) -> R {}

        #[allow(
            non_snake_case,
            unused_unsafe,
            clippy::allow_attributes,
            clippy::too_many_arguments,
            clippy::unused_unit,
            reason = "type parameters name the variables, and the empty tuple uses less than the others"
        )]
        const _: () = {
            type Shim<R, $($argument),*> = unsafe extern "C" fn(
                *const c_void, $(<$argument as Portable>::Repr,)* *mut RawBytes,
            ) -> Outcome<<R as Portable>::Repr>;

            impl<$($argument: Portable,)* R: Portable> Signature for fn($($argument),*) -> R {
                type Arguments = ($($argument,)*);
                type Output = R;
                const NAME: &'static str = const {
                    &TypeText::new()
                        .push("fn(")
                        $(.push_item($argument::NAME, $index))*
                        .push(")")
                        .push_result(R::NAME)
                }
                .as_str();
                const NEEDS_PEER: bool = R::NEEDS_PEER $(|| $argument::NEEDS_PEER)*;
                // SAFETY: only `call` of the same type uses it, and restores this type.
                const GIVEN: Erased = unsafe {
                    std::mem::transmute::<Shim<R, $($argument),*>, Erased>(given::<R, $($argument),*>)
                };

                #[inline(always)]
                unsafe fn call(
                    ($($argument,)*): Self::Arguments,
                    function: Erased,
                    data: *const c_void,
                    peer: &Keep,
                ) -> Reply<R> {
                    let mut place = RefusalPlace::uninit();
                    // SAFETY: the caller says that the function has this type.
                    let function = unsafe { std::mem::transmute::<Erased, Shim<R, $($argument),*>>(function) };
                    // SAFETY: the arguments are handed over, and the place is valid for this call.
                    let outcome = unsafe { function(data, $($argument.give(peer),)* place.as_mut_ptr()) };
                    // SAFETY: this is the outcome of the call above.
                    let result = unsafe { outcome::read(outcome, &place, peer) }?;
                    // SAFETY: the result was given, and is taken once.
                    Ok(unsafe { R::take(result, peer) })
                }
            }

            unsafe extern "C" fn given<R: Portable, $($argument: Portable),*>(
                data: *const c_void,
                $($argument: $argument::Repr,)*
                place: *mut RawBytes,
            ) -> Outcome<R::Repr> {
                outcome::answer(place, || {
                    // SAFETY: `Func::give` made it for this shim, and whoever calls holds it.
                    let given = unsafe { &*data.cast::<Given<fn($($argument),*) -> R>>() };
                    let peer = given.peer()?;
                    // SAFETY: the arguments were given for this call, and are taken once.
                    let arguments = unsafe { ($($argument::take($argument, &peer),)*) };
                    Ok(given.func.call_with(arguments)?.give(&peer))
                })
            }

            impl<M, $($argument: Portable,)* R: Portable> Exporting<M> for fn($($argument),*) -> R
            where
                M: Function<Signature = Self>,
            {
                // SAFETY: only `call` of the same type uses it, and restores this type.
                const EXPORTED: Erased = unsafe {
                    std::mem::transmute::<Shim<R, $($argument),*>, Erased>(exported::<M, R, $($argument),*>)
                };
            }

            /// A library's host outlives it, so nothing has to be kept.
            unsafe extern "C" fn exported<M, R: Portable, $($argument: Portable),*>(
                _: *const c_void,
                $($argument: $argument::Repr,)*
                place: *mut RawBytes,
            ) -> Outcome<R::Repr>
            where
                M: Function<Signature = fn($($argument),*) -> R>,
            {
                outcome::answer(place, || {
                    // SAFETY: the arguments were given for this call, and are taken once.
                    let arguments = unsafe { ($($argument::take($argument, &None),)*) };
                    Ok(M::call(arguments)?.give(&None))
                })
            }

            impl<$($argument: Portable,)* R: Portable> Func<fn($($argument),*) -> R> {
                /// The function that `function` is.
                pub fn new<F>(function: F) -> Self
                where
                    F: Fn($($argument),*) -> R + Send + Sync + 'static,
                {
                    Self::local(move |($($argument,)*)| function($($argument),*))
                }

                /// Calls the function.
                ///
                /// # Errors
                ///
                /// It panicked, or the plugin that it came from is being unloaded.
                pub fn call(&self, $($argument: $argument),*) -> Reply<R> {
                    self.call_with(($($argument,)*))
                }
            }
        };
    };
}

signature!();
signature!(A 0);
signature!(A 0, B 1);
signature!(A 0, B 1, C 2);
signature!(A 0, B 1, C 2, D 3);
signature!(A 0, B 1, C 2, D 3, E 4);
signature!(A 0, B 1, C 2, D 3, E 4, G 5);
signature!(A 0, B 1, C 2, D 3, E 4, G 5, H 6);
signature!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7);

//! A function type whose arguments and result can cross.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::func::Func;
use super::type_text::TypeText;
use crate::cross::{Arguments, BlockingShim, Cross};
use crate::method::Call;
use crate::shim::{Refusal, Reply};

/// A function type whose arguments and result can cross: `fn(A, …) -> R`, with up to eight arguments.
///
/// The trait is sealed: a call turns an erased function pointer back into one of this type.
pub trait Signature: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The arguments as a tuple.
    type Arguments: Arguments;
    /// The result.
    type Output: Cross;
    /// The text of the type.
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

/// A closure of the type `S` as a method of itself.
#[derive(Debug)]
pub(super) struct Closure<S>(PhantomData<S>);

impl From<Infallible> for Refusal {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

macro_rules! signature {
    ($($argument:ident $index:literal),*) => {
        impl<$($argument: Cross,)* R: Cross> sealed::Sealed for fn($($argument),*) -> R {}

        impl<$($argument: Cross,)* R: Cross> Signature for fn($($argument),*) -> R {
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
        }

        #[allow(
            non_snake_case,
            clippy::allow_attributes,
            clippy::too_many_arguments,
            reason = "type parameters name the variables"
        )]
        const _: () = {
            impl<F, $($argument: Cross,)* R: Cross> Call<F> for Closure<fn($($argument),*) -> R>
            where
                F: Fn($($argument),*) -> R,
            {
                type Arguments = ($($argument,)*);
                type Output = R;
                type Error = Infallible;

                fn call(this: &F, ($($argument,)*): Self::Arguments) -> Result<R, Infallible> {
                    Ok(this($($argument),*))
                }
            }

            impl<$($argument: Cross,)* R: Cross> Func<fn($($argument),*) -> R> {
                /// The function that `function` is.
                pub fn new<F>(function: F) -> Self
                where
                    F: Fn($($argument),*) -> R + Send + Sync + 'static,
                {
                    let shim = <($($argument,)*) as BlockingShim<F, Closure<fn($($argument),*) -> R>>>::SHIM;
                    // SAFETY: the shim is the one of this closure, with the types of this function.
                    unsafe { Self::of_closure(function, shim) }
                }

                /// Calls the function.
                ///
                /// # Errors
                ///
                /// It panicked.
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

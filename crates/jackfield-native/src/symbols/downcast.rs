//! What a symbol can be asserted to be.

use std::convert::Infallible;

use jackfield_abi::Bytes;
use jackfield_abi::symbols::{Kind, Portable, Signature, Var};

use super::cell::describe;
use super::function::Function;
use super::symbol::Symbol;
use super::variable::Variable;

/// What a symbol can be asserted to be: a function by its `fn` type, a variable as [`Var<T>`].
///
/// A variable is never its value: asserting that, as in Go, is an error, though one that says what to write instead.
#[diagnostic::on_unimplemented(
    message = "a symbol cannot be a `{Self}`",
    note = "a function is asserted by its type, such as `fn(i64) -> String`, and a variable as `Var<T>`"
)]
pub trait Downcast: sealed::Downcast {}

impl<T: sealed::Downcast> Downcast for T {}

pub(super) mod sealed {
    use super::Symbol;

    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Downcast {
        /// What a host gets.
        type Output;

        /// What the symbol is meant to be, for people.
        fn description() -> String;

        /// The host's end, if the symbol is what is meant.
        fn bind(symbol: &Symbol) -> Option<Self::Output>;

        /// What to write instead, for people.
        fn hint() -> Option<String> {
            None
        }
    }
}

macro_rules! function {
    ($($argument:ident),*) => {
        impl<$($argument: Portable,)* R: Portable> sealed::Downcast for fn($($argument),*) -> R {
            type Output = Function<Self>;

            fn description() -> String {
                describe(Kind::Function, Self::NAME)
            }

            fn bind(symbol: &Symbol) -> Option<Function<Self>> {
                symbol.cell.is(Kind::Function, Self::NAME).then(|| Function::new(symbol.cell.clone()))
            }
        }
    };
}

function!();
function!(A);
function!(A, B);
function!(A, B, C);
function!(A, B, C, D);
function!(A, B, C, D, E);
function!(A, B, C, D, E, F);
function!(A, B, C, D, E, F, G);
function!(A, B, C, D, E, F, G, H);

impl<T: Portable> sealed::Downcast for Var<T> {
    type Output = Variable<T>;

    fn description() -> String {
        describe(Kind::Variable, T::NAME)
    }

    fn bind(symbol: &Symbol) -> Option<Variable<T>> {
        symbol.cell.is(Kind::Variable, T::NAME).then(|| Variable::new(symbol.cell.clone()))
    }
}

/// A plain value, which no symbol is.
macro_rules! value {
    ($($type:ty),* $(,)?) => {$(
        impl sealed::Downcast for $type {
            type Output = Infallible;

            fn description() -> String {
                format!("a value `{}`", <$type as Portable>::NAME)
            }

            fn bind(_: &Symbol) -> Option<Infallible> {
                None
            }

            fn hint() -> Option<String> {
                Some(format!("a variable is asserted as `Var<{}>`, and `get` reads it", <$type as Portable>::NAME))
            }
        }
    )*};
}

value!(bool, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, String, Vec<u8>, Bytes);

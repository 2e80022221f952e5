//! What a plugin exports, as types, and what is done to each of them.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::func::Func;
use super::signature::Signature;
use super::symbol::Symbol;
use super::var::Var;
use crate::cross::Cross;
use crate::method::Call;
use crate::shim::Refusal;

/// What `export!` can list. `#[symbol]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be exported by name",
    label = "expected a function or a variable under `#[symbol]`"
)]
pub trait Exports {
    /// The name under which it is exported.
    const NAME: &'static str;
    /// The entry in the plugin's table.
    const SYMBOL: Symbol;
}

/// A variable's type, which tells the type of its value.
pub trait Holds {
    /// The type of the value.
    type Value;
}

impl<T> Holds for Var<T> {
    type Value = T;
}

/// A function that a plugin exports, as a type that has no values. `#[symbol]` implements it.
pub trait Function: 'static {
    /// Its type.
    type Signature: Signature;
    /// The name under which it is exported.
    const NAME: &'static str;

    /// Calls it.
    fn call(arguments: <Self::Signature as Signature>::Arguments) -> <Self::Signature as Signature>::Output;
}

/// A variable that a plugin exports, as a type that has no values. `#[symbol]` implements it.
pub trait Variable: 'static {
    /// The type of its value.
    type Value: Cross + Clone + Send;
    /// The name under which it is exported.
    const NAME: &'static str;

    /// The variable.
    fn var() -> &'static Var<Self::Value>;
}

/// Calling a function.
#[derive(Debug)]
#[doc(hidden)]
pub struct Exported<M>(PhantomData<M>);

impl<M: Function> Call<()> for Exported<M> {
    type Arguments = <M::Signature as Signature>::Arguments;
    type Output = <M::Signature as Signature>::Output;
    type Error = Infallible;

    #[inline(always)]
    fn call((): &(), arguments: Self::Arguments) -> Result<Self::Output, Infallible> {
        Ok(M::call(arguments))
    }
}

/// Reading a variable.
#[derive(Debug)]
pub(super) struct Get<M>(PhantomData<M>);

impl<M: Variable> Call<()> for Get<M> {
    type Arguments = ();
    type Output = M::Value;
    type Error = Infallible;

    fn call((): &(), (): ()) -> Result<M::Value, Infallible> {
        Ok(M::var().get())
    }
}

/// Writing a variable.
#[derive(Debug)]
pub(super) struct Set<M>(PhantomData<M>);

impl<M: Variable> Call<()> for Set<M> {
    type Arguments = (M::Value,);
    type Output = ();
    type Error = Infallible;

    fn call((): &(), (value,): (M::Value,)) -> Result<(), Infallible> {
        M::var().set(value);
        Ok(())
    }
}

/// Changing a variable, under its lock, by a function of the other side.
#[derive(Debug)]
pub(super) struct Update<M>(PhantomData<M>);

impl<M: Variable> Call<()> for Update<M> {
    type Arguments = (Func<fn(M::Value) -> M::Value>,);
    type Output = ();
    type Error = Refusal;

    fn call((): &(), (change,): Self::Arguments) -> Result<(), Refusal> {
        M::var().update(|value| {
            *value = change.call(value.clone())?;
            Ok(())
        })
    }
}

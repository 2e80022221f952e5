//! What a plugin exports, as types that have no values.

use std::marker::PhantomData;

use super::func::Func;
use super::portable::Portable;
use super::signature::Signature;
use super::symbol::Symbol;
use super::var::Var;
use crate::shim::Reply;

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

/// A function that a plugin exports. `#[symbol]` implements it.
pub trait Function: 'static {
    /// Its type.
    type Signature: Signature;
    /// The name under which it is exported.
    const NAME: &'static str;

    /// Calls it.
    ///
    /// # Errors
    ///
    /// It calls somebody else, who does not answer.
    fn call(
        arguments: <Self::Signature as Signature>::Arguments,
    ) -> Reply<<Self::Signature as Signature>::Output>;
}

/// A variable that a plugin exports. `#[symbol]` implements it.
pub trait Variable: 'static {
    /// The type of its value.
    type Value: Portable + Clone;
    /// The name under which it is exported.
    const NAME: &'static str;

    /// The variable.
    fn var() -> &'static Var<Self::Value>;
}

/// A variable's type, which tells the type of its value.
pub trait Holds {
    /// The type of the value.
    type Value;
}

impl<T> Holds for Var<T> {
    type Value = T;
}

/// Reading a variable, as a function.
#[derive(Debug)]
pub(super) struct Get<M>(PhantomData<M>);

impl<M: Variable> Function for Get<M> {
    type Signature = fn() -> M::Value;
    const NAME: &'static str = M::NAME;

    fn call((): ()) -> Reply<M::Value> {
        Ok(M::var().get())
    }
}

/// Writing a variable, as a function.
#[derive(Debug)]
pub(super) struct Set<M>(PhantomData<M>);

impl<M: Variable> Function for Set<M> {
    type Signature = fn(M::Value);
    const NAME: &'static str = M::NAME;

    fn call((value,): (M::Value,)) -> Reply<()> {
        M::var().set(value);
        Ok(())
    }
}

/// Changing a variable, under its lock, by a function of the other side.
#[derive(Debug)]
pub(super) struct Update<M>(PhantomData<M>);

impl<M: Variable> Function for Update<M> {
    type Signature = fn(Func<fn(M::Value) -> M::Value>);
    const NAME: &'static str = M::NAME;

    fn call((change,): (Func<fn(M::Value) -> M::Value>,)) -> Reply<()> {
        M::var().update(|value| {
            *value = change.call(value.clone())?;
            Ok(())
        })
    }
}

//! A symbol that was looked up, of a type that is still to be asserted.

use std::sync::Arc;

use super::cell::Cell;
use super::downcast::Downcast;
use super::error::DowncastError;

/// A symbol that was looked up, of a type that is still to be asserted. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Symbol {
    pub(super) cell: Arc<Cell>,
}

impl Symbol {
    pub(super) fn new(cell: Arc<Cell>) -> Self {
        Self { cell }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.cell.name
    }

    /// The type as its text: of a function, or of a variable's value.
    pub fn ty(&self) -> &str {
        &self.cell.ty
    }

    /// What the symbol is, for people: ``a function `fn(i64) -> i64` ``, ``a variable `Var<i64>` ``.
    pub fn description(&self) -> String {
        self.cell.description()
    }

    /// The symbol as what it is asserted to be: a [`Function`](super::Function) by its `fn` type, a
    /// [`Variable`](super::Variable) as [`Var<T>`](super::Var).
    ///
    /// # Errors
    ///
    /// It is something else. The error names both.
    pub fn downcast<T: Downcast>(&self) -> Result<T::Output, DowncastError> {
        T::bind(self).ok_or_else(|| DowncastError {
            symbol: self.cell.name.to_string(),
            found: self.cell.description(),
            expected: T::description(),
            hint: T::hint(),
        })
    }

    /// The symbol as what it is asserted to be.
    ///
    /// # Panics
    ///
    /// It is something else. [`downcast`](Self::downcast) is the form that returns.
    #[track_caller]
    pub fn assert<T: Downcast>(&self) -> T::Output {
        match self.downcast::<T>() {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }
}

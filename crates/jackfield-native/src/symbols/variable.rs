//! A variable of a plugin at the host.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use jackfield_abi::symbols::{Func, Operation, Portable};
use jackfield_core::CallError;

use super::cell::Cell;

/// A variable of a plugin. The plugin and the host read and write the same one, under its lock.
///
/// It survives a reload of the plugin, as a place: the value is the new plugin's. After the plugin was unloaded every
/// use returns [`CallError::Closed`] at once. Cloning is cheap.
pub struct Variable<T> {
    cell: Arc<Cell>,
    _value: PhantomData<fn(T) -> T>,
}

impl<T: Portable> Variable<T> {
    /// A variable whose cell has this type.
    pub(super) fn new(cell: Arc<Cell>) -> Self {
        Self { cell, _value: PhantomData }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.cell.name
    }

    /// A copy of the value.
    ///
    /// # Errors
    ///
    /// The plugin was unloaded, or panicked while it made the first value or the copy.
    pub fn get(&self) -> Result<T, CallError> {
        // SAFETY: `new` was given a variable of this type.
        unsafe { self.cell.call::<fn() -> T>(Operation::Call, ()) }
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// The plugin was unloaded, or panicked while it dropped the old value.
    pub fn set(&self, value: T) -> Result<(), CallError> {
        // SAFETY: `new` was given a variable of this type.
        unsafe { self.cell.call::<fn(T)>(Operation::Set, (value,)) }
    }

    /// Replaces the value by what `change` makes of it, while nobody else reads or writes it. Neither may `change`: it
    /// would wait for itself.
    ///
    /// # Errors
    ///
    /// The plugin was unloaded, or `change` panicked.
    pub fn update(&self, change: impl Fn(T) -> T + Send + Sync + 'static) -> Result<(), CallError> {
        // SAFETY: `new` was given a variable of this type.
        unsafe {
            self.cell.call::<fn(Func<fn(T) -> T>)>(Operation::Update, (Func::<fn(T) -> T>::new(change),))
        }
    }
}

impl<T> Clone for Variable<T> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone(), _value: PhantomData }
    }
}

impl<T> fmt::Debug for Variable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("cell", &self.cell).finish()
    }
}

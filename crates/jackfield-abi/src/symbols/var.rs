//! A variable of a plugin, which the plugin and its host read and write.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A variable of a plugin, which the plugin and its host read and write. It holds its own lock, so that no data race
/// is possible.
///
/// ```
/// use jackfield_abi::symbols::Var;
///
/// pub static COUNT: Var<i64> = Var::new(7);
/// pub static NAME: Var<String> = Var::lazy(|| "plugin.go".to_owned());
///
/// COUNT.update(|count| *count += 1);
/// assert_eq!((COUNT.get(), NAME.get().as_str()), (8, "plugin.go"));
/// ```
pub struct Var<T> {
    value: Mutex<Value<T>>,
}

enum Value<T> {
    Initial(fn() -> T),
    Set(T),
}

impl<T> Var<T> {
    /// A variable that holds `value`.
    pub const fn new(value: T) -> Self {
        Self { value: Mutex::new(Value::Set(value)) }
    }

    /// A variable that holds what `initial` returns when it is first read. If that panics, so does the reader.
    pub const fn lazy(initial: fn() -> T) -> Self {
        Self { value: Mutex::new(Value::Initial(initial)) }
    }

    /// Replaces the value.
    pub fn set(&self, value: T) {
        let old = std::mem::replace(&mut *self.lock(), Value::Set(value));
        // Outside the lock: a destructor may read the variable.
        drop(old);
    }

    /// Changes the value, while nobody else reads or writes it. Neither may `change`: it would wait for itself.
    pub fn update<V>(&self, change: impl FnOnce(&mut T) -> V) -> V {
        change(self.lock().force())
    }

    fn lock(&self) -> MutexGuard<'_, Value<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Var<T> {
    /// A copy of the value.
    pub fn get(&self) -> T {
        self.lock().force().clone()
    }
}

impl<T> Value<T> {
    fn force(&mut self) -> &mut T {
        if let Self::Initial(initial) = *self {
            *self = Self::Set(initial());
        }
        match self {
            Self::Set(value) => value,
            Self::Initial(_) => unreachable!("it was set one line above"),
        }
    }
}

impl<T> fmt::Debug for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var").finish_non_exhaustive()
    }
}

//! The smallest plugin: what a Go plugin with one function `Add` is compared with.

#![forbid(unsafe_code)]

use jackfield_core::interface;
use jackfield_plugin::{Context, Error, export, plugin};

/// Adds numbers.
#[interface(service = "jackfield.bench.Adder", version = "1.0")]
pub trait Adder {
    /// The sum of `a` and `b`.
    ///
    /// # Errors
    ///
    /// No answer came.
    fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
}

/// Adds numbers, and keeps nothing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WrappingAdder;

impl WrappingAdder {
    /// An adder.
    ///
    /// # Errors
    ///
    /// It never fails.
    pub fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

#[plugin]
impl Adder for WrappingAdder {
    fn add(&self, a: i64, b: i64) -> Result<i64, Error> {
        Ok(a.wrapping_add(b))
    }
}

export!(WrappingAdder::open as dyn Adder);

//! A variable that lacks the method that the host needs.

#![forbid(unsafe_code)]

use jackfield_core::interface;
use jackfield_plugin::{Error, Object, Var, export, symbol};

/// What the doctor can do.
#[interface(service = "example.Quack", version = "1.0")]
pub trait Quack {
    /// The sound.
    ///
    /// # Errors
    ///
    /// No answer came.
    fn quack(&self) -> Result<String, Error>;
}

struct Duck;

impl Quack for Duck {
    fn quack(&self) -> Result<String, Error> {
        Ok("quack".to_owned())
    }
}

/// The doctor.
#[symbol(name = "Doctor")]
pub static DOCTOR: Var<Object> = Var::lazy(|| Object::new::<dyn Quack, _>(Duck));

export!(DOCTOR);

//! A function that returns an object.

#![forbid(unsafe_code)]

use jackfield_core::interface;
use jackfield_plugin::{Error, Object, export, symbol};

/// A driver. The host declares it as well; there is no crate between the two.
#[interface(service = "example.Driver", version = "1.0")]
pub trait Driver {
    /// Its name.
    ///
    /// # Errors
    ///
    /// No answer came.
    fn name(&self) -> Result<String, Error>;
}

struct MyDriver;

impl Driver for MyDriver {
    fn name(&self) -> Result<String, Error> {
        Ok("mydriver".to_owned())
    }
}

/// A new driver.
#[symbol(name = "NewDriver")]
pub fn new_driver() -> Object {
    Object::new::<dyn Driver, _>(MyDriver)
}

export!(new_driver);

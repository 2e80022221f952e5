//! What the host and its plugins share.

#![forbid(unsafe_code)]

use jackfield_core::{Error, interface};

/// Greets people.
#[interface(service = "__service__.Greeter", version = "1.0")]
pub trait Greeter {
    /// A greeting for somebody.
    fn greet(&self, name: &str) -> Result<String, Error>;
}

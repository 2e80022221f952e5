//! The greeter in English.

#![forbid(unsafe_code)]

use jackfield_plugin::{export, symbol};

/// Greets.
#[symbol(name = "Greet")]
pub fn greet() -> String {
    "Hello Universe".to_owned()
}

export!(greet);

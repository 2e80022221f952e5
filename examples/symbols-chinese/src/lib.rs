//! The greeter in Chinese.

#![forbid(unsafe_code)]

use jackfield_plugin::{export, symbol};

/// Greets.
#[symbol(name = "Greet")]
pub fn greet() -> String {
    "你好宇宙".to_owned()
}

export!(greet);

//! A greeter that is built again and again, each time with an identity and a greeting of its own:
//! `JACKFIELD_PLUGIN_ID=plugin/hot-1 GREETING='hello v1' cargo build`.

#![forbid(unsafe_code)]

use jackfield_plugin::{export, symbol};

/// Greets.
#[symbol(name = "Greet")]
pub fn greet() -> String {
    option_env!("GREETING").unwrap_or("hello").to_owned()
}

export!(greet);

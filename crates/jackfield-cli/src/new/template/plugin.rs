//! A plugin that greets: a shared library, a program, or a part of the host.

#![forbid(unsafe_code)]

use __crate___interface::Greeter;
use jackfield_plugin::{Context, Error, Failure, export, plugin};

/// Greets in English.
#[derive(Debug)]
pub struct English {
    greeting: String,
}

impl English {
    /// Takes the greeting from the plugin's configuration.
    fn open(context: &Context) -> Result<Self, Error> {
        Ok(Self { greeting: context.config("greeting").unwrap_or("Hello").to_owned() })
    }
}

#[plugin]
impl Greeter for English {
    fn greet(&self, name: &str) -> Result<String, Error> {
        if name.is_empty() {
            return Err(Failure::new("there is nobody to greet").into());
        }
        Ok(format!("{}, {name}!", self.greeting))
    }
}

export!(English::open as dyn Greeter);

//! A plugin program for hosts old and new: over net/rpc in version 1, over gRPC in version 2.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use jackfield_core::__private::{Entry, Export, export};
use jackfield_core::{Bytes, Context, Error, Failure, Interface, Plugin, interface};
use jackfield_process::{Handshake, ServeConfig};

#[path = "../tests/it/own_tls.rs"]
#[expect(clippy::unwrap_used, reason = "a test that brings no files should see it")]
mod own_tls;

#[path = "../tests/it/ending.rs"]
mod ending;

/// Greets, and remembers.
#[interface(service = "proto.Greeter", version = "1.0")]
pub trait Greeter {
    /// Greets.
    ///
    /// # Errors
    /// If no answer came.
    fn greet(&self) -> Result<String, Error>;
    /// Sets the value of `key`.
    ///
    /// # Errors
    /// If no answer came.
    fn put(&self, key: String, value: Bytes) -> Result<(), Error>;
    /// The value of `key`.
    ///
    /// # Errors
    /// If there is none, or no answer came.
    fn get(&self, key: String) -> Result<Bytes, Error>;
    /// The sum of two numbers.
    ///
    /// # Errors
    /// If it does not fit, or no answer came.
    fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
}

#[derive(Default)]
struct Memory {
    values: Mutex<HashMap<String, Bytes>>,
}

impl Memory {
    #[expect(clippy::unnecessary_wraps, reason = "a constructor may refuse")]
    fn open(_: &Context) -> Result<Self, Error> {
        tracing::debug!(foo = "bar", "message from plugin");
        Ok(Self::default())
    }
}

impl Greeter for Memory {
    fn greet(&self) -> Result<String, Error> {
        tracing::debug!("message from GreeterHello.Greet");
        Ok("Hello!".to_owned())
    }

    #[expect(clippy::print_stdout, reason = "a test asks for it")]
    fn put(&self, key: String, value: Bytes) -> Result<(), Error> {
        match key.as_str() {
            "__end" => {
                let what = String::from_utf8_lossy(&value);
                ending::end_by(&what).map_err(Failure::new)?;
            }
            "__stdout" => print!("{}", String::from_utf8_lossy(&value)),
            _ => drop(self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value)),
        }
        Ok(())
    }

    fn get(&self, key: String) -> Result<Bytes, Error> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(&key).cloned().ok_or_else(|| Failure::new(format!("no such key: {key}")).into())
    }

    fn add(&self, a: i64, b: i64) -> Result<i64, Error> {
        a.checked_add(b).ok_or_else(|| Failure::new("the sum does not fit").into())
    }
}

static EXPORTS: [Export; 1] = [export::<dyn Greeter, Memory, _>(Memory::open)];
static ENTRY: Entry = Entry::new(&[], &EXPORTS);
static PLUGIN: Plugin = Plugin {
    name: "greeter",
    version: "1.0.0",
    interfaces: &[<dyn Greeter as Interface>::SCHEMA],
    entry: &ENTRY,
};

fn main() -> ExitCode {
    let config = ServeConfig::new(Handshake::new(1, "BASIC_PLUGIN", "hello"))
        .net_rpc_in(1, "greeter", &PLUGIN)
        .plugin_in(2, &PLUGIN);
    match std::env::var_os("GREETER_TLS") {
        Some(directory) => config.tls(own_tls::load(directory.as_ref(), "plugin", "host")).serve(),
        None => config.serve(),
    }
}

//! A plugin that answers a key-value store's `get` from memory, so that only the wire is measured.

use std::process::ExitCode;

use jackfield_benches::value;
use jackfield_plugin::{Bytes, Context, Error, Failure, Handshake, export, plugin};
use kv_interface::Kv;

/// Answers from memory.
#[derive(Debug)]
struct Memory;

impl Memory {
    fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self)
    }
}

#[plugin]
impl Kv for Memory {
    async fn put(&self, _: String, _: Bytes) -> Result<(), Error> {
        Ok(())
    }

    async fn get(&self, key: String) -> Result<Bytes, Error> {
        value(&key).ok_or_else(|| Failure::new(format!("no value for key {key:?}")).into())
    }
}

export!(Memory::open as dyn Kv, handshake = Handshake::new(1, "WKY_PLUGIN", "wukaiying"));

fn main() -> ExitCode {
    serve()
}

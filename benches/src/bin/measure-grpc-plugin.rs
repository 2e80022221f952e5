//! A plugin that answers a key-value store's `get` from memory, so that only the wire is measured.

use std::process::ExitCode;

use jackfield_benches::value;
use jackfield_plugin::stdio::{self, StdioCodec};
use jackfield_plugin::{Bytes, Context, Error, Failure, Handshake, ServeConfig, export, plugin};
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

export!(Memory::open as dyn Kv);

fn main() -> ExitCode {
    let config = ServeConfig::new(Handshake::new(1, "WKY_PLUGIN", "wukaiying"));
    match std::env::args().nth(1).as_deref() {
        Some("gob") => stdio::serve(StdioCodec::Gob, &PLUGIN),
        Some("json") => stdio::serve(StdioCodec::Json, &PLUGIN),
        Some("netrpc") => config.net_rpc_in(1, "kv", &PLUGIN).serve(),
        _ => jackfield_plugin::serve(config, &PLUGIN),
    }
}

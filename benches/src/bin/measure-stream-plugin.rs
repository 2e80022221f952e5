//! A plugin that answers with streams of chunks, which it has in memory.

use std::process::ExitCode;

use futures_util::stream;
use jackfield_benches::{CHUNK, Chunks};
use jackfield_plugin::{Bytes, Context, Error, Handshake, ServeConfig, Streaming, export, plugin};

#[derive(Debug)]
struct Memory(Bytes);

impl Memory {
    fn open(_: &Context) -> Result<Self, Error> {
        Ok(Self(vec![b'x'; CHUNK].into()))
    }
}

#[plugin]
impl Chunks for Memory {
    async fn download(&self, count: u64) -> Result<Streaming<Bytes>, Error> {
        let chunk = self.0.clone();
        Ok(Streaming::new(stream::iter((0..count).map(move |_| Ok(chunk.clone())))))
    }
}

export!(Memory::open as dyn Chunks);

fn main() -> ExitCode {
    jackfield_plugin::serve(ServeConfig::new(Handshake::new(1, "WKY_PLUGIN", "wukaiying")), &PLUGIN)
}

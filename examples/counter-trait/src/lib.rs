//! The counter of go-plugin's bidirectional example as traits: what `examples/counter` does by hand with `tonic`.
//!
//! These are the services of `counter.proto` to the byte, so that both sides get along with plugins and hosts in Go and
//! Python. An object crosses as the number under which the broker knows it, a stream as a stream of gRPC.

#![forbid(unsafe_code)]

use jackfield_core::{ByteStream, Bytes, Error, Handle, interface};
use jackfield_plugin::Handshake;

/// Does sums: the host's part.
#[interface(service = "proto.AddHelper", version = "1.0")]
pub trait AddHelper {
    /// The sum of two numbers.
    async fn sum(&self, a: i64, b: i64) -> Result<i64, Error>;
}

/// Counts under names.
#[interface(service = "proto.Counter", version = "1.0")]
pub trait Counter {
    /// What a name has come to.
    async fn get(&self, key: &str) -> Result<i64, Error>;

    /// Adds to a name, for which the host does the sum.
    async fn put(&self, add_server: Handle<dyn AddHelper>, key: &str, value: i64) -> Result<(), Error>;
}

/// What else two sides can do with each other.
#[interface(service = "proto.Peer", version = "1.0")]
pub trait Peer {
    /// Opens a counter.
    async fn open(&self, key: &str) -> Result<Handle<dyn Counter>, Error>;

    /// Gives the data back.
    async fn blob(&self, data: Bytes) -> Result<Bytes, Error>;

    /// Counts the bytes that come.
    async fn upload(&self, data: ByteStream) -> Result<i64, Error>;

    /// So many pieces of one kilobyte.
    async fn download(&self, count: i64) -> Result<ByteStream, Error>;

    /// Gives each piece back as it comes.
    async fn echo(&self, data: ByteStream) -> Result<ByteStream, Error>;
}

/// What both ends must agree on before they talk.
pub fn handshake() -> Handshake {
    Handshake::new(1, "BASIC_PLUGIN", "hello")
}

//! Files that cross in pieces, as in go-plugin's streaming example: a file may be larger than any message.
//!
//! The service is that of `files.proto`, so that both sides get along with plugins and hosts in Go and Python.

#![forbid(unsafe_code)]

use jackfield_core::{ByteStream, Error, interface};
use jackfield_plugin::Handshake;

/// Writes and reads files.
#[interface(service = "proto.Files", version = "1.0")]
pub trait Files {
    /// Writes a file of the pieces that come, and says how many there were.
    async fn write(&self, path: &str, content: ByteStream) -> Result<u64, Error>;

    /// A file in pieces of `size` bytes.
    async fn read(&self, path: &str, size: u32) -> Result<ByteStream, Error>;
}

/// What both ends must agree on before they talk.
pub fn handshake() -> Handshake {
    Handshake::new(1, "BASIC_PLUGIN", "hello")
}

/// How many bytes a message may have.
pub const MAX_MESSAGE: usize = 1000;

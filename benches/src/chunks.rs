//! An interface whose answer is a stream of chunks.

use jackfield_core::{Bytes, Error, Streaming, interface};

/// Gives chunks. On the wire it is the Go peer's service, whose messages are wrappers of one field.
#[interface(service = "bench.Chunks", version = "1.0")]
pub trait Chunks {
    /// So many chunks of [`CHUNK`] bytes.
    async fn download(&self, count: u64) -> Result<Streaming<Bytes>, Error>;
}

/// The size of a chunk, in bytes.
pub const CHUNK: usize = 64 << 10;

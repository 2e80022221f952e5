//! What the counter's host and plugin share: go-plugin's bidirectional example, with a proto of its own.
//!
//! The plugin counts, and lets its host do the sums: the host serves an adder through the broker, and tells the
//! plugin the number. This is the door for those whose plugins already speak gRPC; a new interface is a trait.

use jackfield_plugin::Handshake;

/// What `tonic` generated of `counter.proto`.
#[rustfmt::skip]
#[expect(missing_docs, clippy::missing_errors_doc, clippy::allow_attributes, clippy::allow_attributes_without_reason, clippy::exhaustive_structs, reason = "generated")]
#[path = "generated/counter.rs"]
pub mod proto;

/// The descriptors of the services, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/counter.bin");

/// What both ends must agree on before they talk.
pub fn handshake() -> Handshake {
    Handshake::new(1, "BASIC_PLUGIN", "hello")
}

/// The largest message that either end accepts.
pub const MAX_MESSAGE: usize = 64 << 20;

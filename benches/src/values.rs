//! What the plugins of the gRPC measurements answer.

use std::sync::LazyLock;

use jackfield::Bytes;

/// The value under a key, as the Go peer has it: `16` bytes, or one mebibyte under `1m`.
pub fn value(key: &str) -> Option<Bytes> {
    static LONG: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; 1 << 20].into());
    match key {
        "16" => Some(Bytes::from_static(&[b'x'; 16])),
        "1m" => Some(LONG.clone()),
        _ => None,
    }
}

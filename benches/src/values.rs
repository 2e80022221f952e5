//! What the plugins of the gRPC measurements answer.

use jackfield::Bytes;

/// The value under a key, as the Go peer has it: `16` bytes, or one mebibyte under `1m`.
pub fn value(key: &str) -> Option<Bytes> {
    static LONG: [u8; 1 << 20] = [b'x'; 1 << 20];
    match key {
        "16" => Some(Bytes::from_static(&LONG[..16])),
        "1m" => Some(Bytes::from_static(&LONG)),
        _ => None,
    }
}

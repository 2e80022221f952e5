//! The codec's reader: whatever it takes from a message, and each of the ways in which a field can be read.
#![no_main]

use bytes::Bytes;
use jackfield_core::Value as _;
use jackfield_core::codec::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| read(bytes, 0));

fn read(bytes: &[u8], depth: u32) {
    let message = Bytes::copy_from_slice(bytes);
    let mut reader = Reader::new(&message);
    let mut rest = bytes.len();
    while let Ok(Some(field)) = reader.next_field() {
        // Every field takes at least two bytes, so this ends.
        rest = rest.checked_sub(2).expect("a field of no bytes");
        let _ = (field.varint(), field.fixed32(), field.fixed64());
        if let Ok(content) = field.bytes() {
            let mut shared = None;
            Bytes::merge(&mut shared, &field, &message).expect("what has bytes has their place");
            assert_eq!(shared.as_deref(), Some(content));
            if depth < 8 {
                read(content, depth + 1);
            }
        }
    }
}

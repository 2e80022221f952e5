//! Writes protobuf fields.

/// Appends a varint.
pub(crate) fn varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

/// Appends a varint field, unless it is zero.
pub(crate) fn varint_field(buffer: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        varint(buffer, u64::from(number) << 3 | VARINT);
        varint(buffer, value);
    }
}

/// Appends a 64-bit field, unless it is zero.
pub(crate) fn fixed64_field(buffer: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        varint(buffer, u64::from(number) << 3 | FIXED64);
        buffer.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a 32-bit field, unless it is zero.
pub(crate) fn fixed32_field(buffer: &mut Vec<u8>, number: u32, value: u32) {
    if value != 0 {
        varint(buffer, u64::from(number) << 3 | FIXED32);
        buffer.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a length-delimited field, unless it is empty.
pub(crate) fn bytes_field(buffer: &mut Vec<u8>, number: u32, value: &[u8]) {
    if !value.is_empty() {
        varint(buffer, u64::from(number) << 3 | LENGTH);
        varint(buffer, value.len() as u64);
        buffer.extend_from_slice(value);
    }
}

pub(super) const VARINT: u64 = 0;
pub(super) const FIXED64: u64 = 1;
pub(super) const LENGTH: u64 = 2;
pub(super) const FIXED32: u64 = 5;

//! Writes protobuf fields.

/// The head of a field.
pub(crate) fn key(buffer: &mut Vec<u8>, number: u32, wire: u64) {
    varint(buffer, u64::from(number) << 3 | wire);
}

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
        key(buffer, number, VARINT);
        varint(buffer, value);
    }
}

/// Appends a length-delimited field.
pub(crate) fn bytes_field(buffer: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    buffer.reserve(bytes.len() + 16);
    key(buffer, number, LENGTH);
    varint(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}

/// Appends a length-delimited field whose content `write` appends.
pub fn nested(buffer: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    key(buffer, number, LENGTH);
    let start = buffer.len();
    // Most messages are short: their length takes the one byte that is kept for it here.
    buffer.push(0);
    write(buffer);
    let len = buffer.len() - start - 1;
    if len < 0x80 {
        buffer[start] = len as u8;
    } else {
        let mut length = Vec::with_capacity(10);
        varint(&mut length, len as u64);
        buffer.splice(start..=start, length);
    }
}

/// A number of variable length, without its head.
pub(crate) mod varint_value {
    pub(crate) const WIRE: u64 = super::VARINT;

    pub(crate) fn put(buffer: &mut Vec<u8>, value: u64) {
        super::varint(buffer, value);
    }
}

/// A number of 32 bits, without its head.
pub(crate) mod fixed32_value {
    pub(crate) const WIRE: u64 = super::FIXED32;

    pub(crate) fn put(buffer: &mut Vec<u8>, value: u32) {
        buffer.extend_from_slice(&value.to_le_bytes());
    }
}

/// A number of 64 bits, without its head.
pub(crate) mod fixed64_value {
    pub(crate) const WIRE: u64 = super::FIXED64;

    pub(crate) fn put(buffer: &mut Vec<u8>, value: u64) {
        buffer.extend_from_slice(&value.to_le_bytes());
    }
}

pub(crate) const VARINT: u64 = 0;
pub(crate) const FIXED64: u64 = 1;
pub(crate) const LENGTH: u64 = 2;
pub(crate) const FIXED32: u64 = 5;

//! The types that a field may have.

use bytes::Bytes;

use super::reader::{DecodeError, RawField};
use super::write;
use crate::schema::Kind;

/// A type that can be an argument or a result.
///
/// It is implemented for the integers of 8 to 64 bits, `f32`, `f64`, `bool`, `String`, `Bytes` and `Vec<u8>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross between host and plugin",
    label = "this type cannot be an argument or a result",
    note = "what can: integers of 8 to 64 bits, `f32`, `f64`, `bool`, `String`, `Bytes`, `Vec<u8>`; `()` as a result"
)]
pub trait Value: Default + Send + 'static {
    /// The type in the schema.
    const KIND: Kind;

    /// Appends the value as a field, unless it is the default.
    fn encode(&self, number: u32, buffer: &mut Vec<u8>);

    /// Takes the value from a field. `message` is the message in which the field stands, so that bytes can be
    /// shared instead of copied.
    ///
    /// # Errors
    ///
    /// The field holds something else.
    fn decode(field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError>;
}

macro_rules! integer {
    ($($type:ty: $kind:ident, $wide:ty;)*) => {$(
        impl Value for $type {
            const KIND: Kind = Kind::$kind;

            fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
                // Negative numbers are sign-extended to 64 bits, as protobuf's int32 and int64 are.
                write::varint_field(buffer, number, <$wide>::from(*self) as u64);
            }

            fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
                let wide = field.varint()? as $wide;
                let error = DecodeError::Range { number: field.number, expected: stringify!($type) };
                Self::try_from(wide).map_err(|_| error)
            }
        }
    )*};
}

integer! {
    i8: Int32, i64; i16: Int32, i64; i32: Int32, i64; i64: Int64, i64;
    u8: Uint32, u64; u16: Uint32, u64; u32: Uint32, u64; u64: Uint64, u64;
}

impl Value for bool {
    const KIND: Kind = Kind::Bool;

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        write::varint_field(buffer, number, (*self).into());
    }

    fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
        Ok(field.varint()? != 0)
    }
}

impl Value for f32 {
    const KIND: Kind = Kind::Float;

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        write::fixed32_field(buffer, number, self.to_bits());
    }

    fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
        field.fixed32().map(Self::from_bits)
    }
}

impl Value for f64 {
    const KIND: Kind = Kind::Double;

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        write::fixed64_field(buffer, number, self.to_bits());
    }

    fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
        field.fixed64().map(Self::from_bits)
    }
}

impl Value for String {
    const KIND: Kind = Kind::String;

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        write::bytes_field(buffer, number, self.as_bytes());
    }

    fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(field.bytes()?);
        text.map(str::to_owned).map_err(|_| DecodeError::Text { number: field.number })
    }
}

impl Value for Bytes {
    const KIND: Kind = Kind::Bytes;

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        write::bytes_field(buffer, number, self);
    }

    fn decode(field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError> {
        Ok(message.slice(field.range()?))
    }
}

impl Value for Vec<u8> {
    const KIND: Kind = Kind::Bytes;

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        write::bytes_field(buffer, number, self);
    }

    fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
        field.bytes().map(<[u8]>::to_vec)
    }
}

//! The protobuf encoding of requests and responses.
//!
//! The arguments of a method are the fields of its request message in order, its result is field 1 of the response
//! (<https://protobuf.dev/programming-guides/encoding/>). Fields that hold their default are left out, unknown
//! fields are skipped: so peers of another version, and in other languages, understand each other.

mod message;
mod reader;
mod value;
pub(crate) mod write;

pub use message::{
    Enumeration, Message, absent_message, cross_variant, decode_message, decode_nested, decode_variant,
    decode_variants, encode_message, encode_variant, encode_variants,
};
pub use reader::{DecodeError, RawField, Reader, has_field};
pub use value::{Key, Repeatable, Singular, Value};
pub use value::{decode_alone, encode_alone, or_absent};

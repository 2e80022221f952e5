//! Messages: structs, enums and tuples as one field.

use std::cell::Cell;

use bytes::Bytes;
use jackfield_abi::StaticRef;

use super::reader::{DecodeError, RawField};
use super::value::{Repeatable, Singular, Value, or_absent};
use super::{Reader, write};
use crate::schema::{EnumType, Field, Kind, MessageType, Shape, TypeName};

/// A struct, or an enum with data. `#[derive(Value)]` implements it.
#[doc(hidden)]
pub trait Message: Sized + Send + 'static {
    /// The description.
    const TYPE: StaticRef<MessageType>;

    /// Appends the fields.
    fn encode_fields(&self, buffer: &mut Vec<u8>);

    /// Reads the fields.
    fn decode_fields(message: &Bytes) -> Result<Self, DecodeError>;
}

/// An enum without data. `#[derive(Value)]` implements it.
#[doc(hidden)]
pub trait Enumeration: Sized + Send + 'static {
    /// The description.
    const TYPE: StaticRef<EnumType>;

    /// The number of the variant.
    fn number(&self) -> i32;

    /// The variant of this number.
    fn variant(number: i32) -> Option<Self>;
}

/// Appends a message as a field.
pub fn encode_message<M: Message>(message: &M, number: u32, buffer: &mut Vec<u8>) {
    write::nested(buffer, number, |buffer| message.encode_fields(buffer));
}

/// Reads a message from a field.
///
/// # Errors
///
/// The field holds something else, or messages inside of messages to a depth that nobody means.
pub fn decode_message<M: Message>(field: &RawField<'_>, message: &Bytes) -> Result<M, DecodeError> {
    decode_nested(field, message, M::decode_fields)
}

/// Reads what a length-delimited field holds, one level deeper.
///
/// # Errors
///
/// As for [`decode_message`].
pub fn decode_nested<T>(
    field: &RawField<'_>,
    message: &Bytes,
    decode: impl FnOnce(&Bytes) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let content = message.slice(field.range()?);
    nested(|| decode(&content))
}

/// The message of which every field is absent, if there may be one.
pub fn absent_message<M: Message>() -> Option<M> {
    nested(|| M::decode_fields(&Bytes::new())).ok()
}

/// Reads what is nested, unless it is nested too deep: each level takes a piece of the stack.
fn nested<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    thread_local! {
        /// Without a destructor: it may be in a library.
        static DEPTH: Cell<u32> = const { Cell::new(0) };
    }
    struct Level;
    impl Drop for Level {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    if DEPTH.get() >= MAX_DEPTH {
        return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
    }
    DEPTH.set(DEPTH.get() + 1);
    let _level = Level;
    decode()
}

/// How deep messages may be nested, as in protobuf's own libraries.
const MAX_DEPTH: u32 = 100;

/// Reads the variant of an enum without data from a field.
///
/// # Errors
///
/// The field holds something else, or there is no such variant here.
pub fn decode_variant<E: Enumeration>(field: &RawField<'_>) -> Result<E, DecodeError> {
    find_variant(field.varint()? as i32)
}

fn find_variant<E: Enumeration>(number: i32) -> Result<E, DecodeError> {
    E::variant(number).ok_or(DecodeError::Variant { ty: E::TYPE.get().name, number: number.into() })
}

/// The variant that crossed as its number.
///
/// # Errors
///
/// There is no such variant here.
pub fn cross_variant<E: Enumeration>(number: i32) -> Result<E, DecodeError> {
    find_variant(number)
}

/// Appends the variant of an enum without data.
pub fn encode_variant<E: Enumeration>(variant: &E, number: u32, buffer: &mut Vec<u8>) {
    variant.number().encode_always(number, buffer);
}

/// Appends many variants in one field.
pub fn encode_variants<E: Enumeration>(variants: &[E], number: u32, buffer: &mut Vec<u8>) {
    if !variants.is_empty() {
        write::nested(buffer, number, |buffer| {
            variants.iter().for_each(|variant| write::varint(buffer, i64::from(variant.number()) as u64));
        });
    }
}

/// Takes one variant, or several in one field.
///
/// # Errors
///
/// The field holds something else, or there is no such variant here.
pub fn decode_variants<E: Enumeration>(
    variants: &mut Vec<E>,
    field: &RawField<'_>,
) -> Result<(), DecodeError> {
    let Ok(content) = field.bytes() else {
        variants.push(decode_variant(field)?);
        return Ok(());
    };
    let mut reader = Reader::new(content);
    while !reader.is_empty() {
        variants.push(find_variant(reader.varint()? as i32)?);
    }
    Ok(())
}

macro_rules! tuple {
    ($($value:ident $index:tt $number:literal),*) => {
        impl<$($value: Value),*> Value for ($($value,)*) {
            const SHAPE: Shape = Shape::Singular(Self::KIND);

            type Cross = ($($value::Cross,)*);

            fn into_cross(self) -> Self::Cross {
                ($(self.$index.into_cross(),)*)
            }

            fn from_cross(cross: Self::Cross) -> Result<Self, DecodeError> {
                Ok(($($value::from_cross(cross.$index)?,)*))
            }

            fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
                self.encode_always(number, buffer);
            }

            fn merge(
                value: &mut Option<Self>,
                field: &RawField<'_>,
                message: &Bytes,
            ) -> Result<(), DecodeError> {
                *value = Some(Self::decode(field, message)?);
                Ok(())
            }

            fn absent() -> Option<Self> {
                Some(($($value::absent()?,)*))
            }
        }

        impl<$($value: Value),*> Singular for ($($value,)*) {
            const KIND: Kind = Kind::Message(<Self as Message>::TYPE);

            fn encode_always(&self, number: u32, buffer: &mut Vec<u8>) {
                encode_message(self, number, buffer);
            }

            fn decode(field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError> {
                decode_message(field, message)
            }
        }

        impl<$($value: Value),*> Repeatable for ($($value,)*) {}

        impl<$($value: Value),*> Message for ($($value,)*) {
            const TYPE: StaticRef<MessageType> = StaticRef::new(&MessageType {
                name: TypeName::Tuple,
                path: "",
                fields: &[$(Field::new(concat!("field_", $number), $number, $value::SHAPE)),*],
                is_oneof: false,
            });

            fn encode_fields(&self, buffer: &mut Vec<u8>) {
                $(self.$index.encode($number, buffer);)*
            }

            #[expect(non_snake_case, reason = "type parameters name the variables")]
            fn decode_fields(message: &Bytes) -> Result<Self, DecodeError> {
                $(let mut $value = None;)*
                let mut reader = Reader::new(message);
                while let Some(field) = reader.next_field()? {
                    match field.number {
                        $($number => $value::merge(&mut $value, &field, message)?,)*
                        _ => {}
                    }
                }
                Ok(($(or_absent($value, $number)?,)*))
            }
        }
    };
}

tuple!(A 0 1);
tuple!(A 0 1, B 1 2);
tuple!(A 0 1, B 1 2, C 2 3);
tuple!(A 0 1, B 1 2, C 2 3, D 3 4);
tuple!(A 0 1, B 1 2, C 2 3, D 3 4, E 4 5);
tuple!(A 0 1, B 1 2, C 2 3, D 3 4, E 4 5, F 5 6);
tuple!(A 0 1, B 1 2, C 2 3, D 3 4, E 4 5, F 5 6, G 6 7);
tuple!(A 0 1, B 1 2, C 2 3, D 3 4, E 4 5, F 5 6, G 6 7, H 7 8);

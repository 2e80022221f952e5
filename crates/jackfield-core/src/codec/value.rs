//! The types that a field may have.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use bytes::Bytes;
use jackfield_abi::{self as abi, Encoded};

use super::reader::{DecodeError, RawField, Reader};
use super::write;
use crate::schema::{Kind, Shape};

/// A type that can be an argument, a result, or a field of a type that can.
///
/// It is implemented for the integers of 8 to 64 bits, `f32`, `f64`, `bool`, `String`, `Bytes` and `Vec<u8>`; for
/// `Option`, `Vec` and maps of these; for tuples; and, by `#[derive(Value)]`, for structs and enums.
///
/// ```
/// use jackfield_core::{Error, Value, interface};
/// use std::collections::BTreeMap;
///
/// #[derive(Clone, Debug, PartialEq, Value)]
/// pub struct Host {
///     pub name: String,
///     pub ports: Vec<u32>,
///     pub labels: BTreeMap<String, String>,
///     pub parent: Option<Box<Host>>,
/// }
///
/// #[interface(service = "example.Inventory", version = "1.0")]
/// pub trait Inventory {
///     async fn hosts(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Host>, Error>;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot cross between host and plugin",
    label = "this type cannot be an argument, a result, or a field of one",
    note = "what can: integers of 8 to 64 bits, `f32`, `f64`, `bool`, `String`, `Bytes`, `Vec<u8>`; `Option`, `Vec` \
            and maps of these; tuples; structs and enums with `#[derive(Value)]`",
    note = "as a whole argument or result also `Streaming<T>`, `ByteStream` and `Handle<dyn Interface>`; `&T` as an \
            argument, `()` as a result"
)]
pub trait Value: Sized + Send + 'static {
    /// The type in the schema.
    const SHAPE: Shape;

    /// What crosses into a library in this one's place.
    #[doc(hidden)]
    type Cross: abi::Cross + Send;

    /// Makes what crosses.
    #[doc(hidden)]
    fn into_cross(self) -> Self::Cross;

    /// Makes the value of what crossed.
    #[doc(hidden)]
    fn from_cross(cross: Self::Cross) -> Result<Self, DecodeError>;

    /// Appends the value as a field, unless it is the default.
    fn encode(&self, number: u32, buffer: &mut Vec<u8>);

    /// Takes the value from a field, or adds the field to what came before. `message` is the message in which the field
    /// stands, so that bytes can be shared instead of copied.
    ///
    /// # Errors
    ///
    /// The field holds something else.
    fn merge(value: &mut Option<Self>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError>;

    /// The value of a field that is absent, if it may be.
    fn absent() -> Option<Self>;
}

/// A [`Value`] that stands in a field of its own: what `Option`, tuples and the values of maps may hold.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand inside of an `Option`, a `Box` or a map",
    note = "protobuf has no list, map or option inside of another: put it into a struct with `#[derive(Value)]`"
)]
pub trait Singular: Value {
    /// The type in the schema.
    const KIND: Kind;

    /// Appends the value as a field, even if it is the default.
    fn encode_always(&self, number: u32, buffer: &mut Vec<u8>);

    /// Takes the value from a field.
    ///
    /// # Errors
    ///
    /// The field holds something else.
    fn decode(field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError>;
}

/// A [`Singular`] that a `Vec` may hold. (A `Vec<u8>` is bytes, so `u8` is none.)
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand inside of a `Vec`",
    note = "protobuf has no list, map or option inside of another: put it into a struct with `#[derive(Value)]`"
)]
pub trait Repeatable: Singular {
    /// Appends all values: numbers in one field, others in a field each.
    fn encode_all(values: &[Self], number: u32, buffer: &mut Vec<u8>) {
        values.iter().for_each(|value| value.encode_always(number, buffer));
    }

    /// Takes one value, or several, from a field.
    ///
    /// # Errors
    ///
    /// The field holds something else.
    fn decode_some(values: &mut Vec<Self>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        values.push(Self::decode(field, message)?);
        Ok(())
    }
}

/// A [`Singular`] that can be the key of a map.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a map",
    note = "what can: integers, `bool` and `String`"
)]
pub trait Key: Singular {}

/// What all singular types that cross as they are have in common.
macro_rules! singular {
    ($type:ty) => {
        const SHAPE: Shape = Shape::Singular(<$type as Singular>::KIND);

        type Cross = $type;

        #[inline(always)]
        fn into_cross(self) -> $type {
            self
        }

        #[inline(always)]
        fn from_cross(cross: $type) -> Result<Self, DecodeError> {
            Ok(cross)
        }

        fn merge(value: &mut Option<Self>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
            *value = Some(Singular::decode(field, message)?);
            Ok(())
        }

        fn absent() -> Option<Self> {
            Some(Self::default())
        }
    };
}

/// A number: many of them stand in one field.
macro_rules! number {
    ($type:ty: $kind:ident, $write:ident, $is_default:expr, $raw:expr, $next:ident, $value:expr) => {
        impl Value for $type {
            singular!($type);

            fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
                let is_default: fn(&$type) -> bool = $is_default;
                if !is_default(self) {
                    self.encode_always(number, buffer);
                }
            }
        }

        impl Singular for $type {
            const KIND: Kind = Kind::$kind;

            fn encode_always(&self, number: u32, buffer: &mut Vec<u8>) {
                let raw: fn(&$type) -> _ = $raw;
                write::key(buffer, number, write::$write::WIRE);
                write::$write::put(buffer, raw(self));
            }

            fn decode(field: &RawField<'_>, _: &Bytes) -> Result<Self, DecodeError> {
                let value: fn(_, u32) -> Result<$type, DecodeError> = $value;
                value(field.$next()?, field.number)
            }
        }
    };
}

/// Many numbers in one field (<https://protobuf.dev/programming-guides/encoding/#packed>).
macro_rules! packed {
    ($type:ty: $write:ident, $raw:expr, $next:ident, $value:expr) => {
        impl Repeatable for $type {
            fn encode_all(values: &[Self], number: u32, buffer: &mut Vec<u8>) {
                let raw: fn(&$type) -> _ = $raw;
                if !values.is_empty() {
                    write::nested(buffer, number, |buffer| {
                        values.iter().for_each(|value| write::$write::put(buffer, raw(value)));
                    });
                }
            }

            fn decode_some(
                values: &mut Vec<Self>,
                field: &RawField<'_>,
                message: &Bytes,
            ) -> Result<(), DecodeError> {
                let value: fn(_, u32) -> Result<$type, DecodeError> = $value;
                let Ok(content) = field.bytes() else {
                    values.push(Self::decode(field, message)?);
                    return Ok(());
                };
                let mut reader = Reader::new(content);
                while !reader.is_empty() {
                    values.push(value(reader.$next()?, field.number)?);
                }
                Ok(())
            }
        }
    };
}

macro_rules! integer {
    ($($type:ident: $kind:ident, $wide:ty, $($packed:ident)?;)*) => {$(
        // Negative numbers are sign-extended to 64 bits, as protobuf's int32 and int64 are.
        number!($type: $kind, varint_value, |value| *value == 0, |value| <$wide>::from(*value) as u64, varint, narrow::$type);
        impl Key for $type {}
        $($packed!($type: varint_value, |value| <$wide>::from(*value) as u64, varint, narrow::$type);)?
    )*};
}

/// Wide integers as narrow ones.
mod narrow {
    use super::DecodeError;

    macro_rules! narrow {
        ($($type:ident $wide:ty;)*) => {$(
            pub(super) fn $type(wide: u64, number: u32) -> Result<$type, DecodeError> {
                let error = DecodeError::Range { number, expected: stringify!($type) };
                <$type>::try_from(wide as $wide).map_err(|_| error)
            }
        )*};
    }

    narrow! { i8 i64; i16 i64; i32 i64; i64 i64; u8 u64; u16 u64; u32 u64; u64 u64; }
}

integer! {
    i8: Int32, i64, packed; i16: Int32, i64, packed; i32: Int32, i64, packed; i64: Int64, i64, packed;
    u8: Uint32, u64, ; u16: Uint32, u64, packed; u32: Uint32, u64, packed; u64: Uint64, u64, packed;
}

number!(bool: Bool, varint_value, |value| !value, |value| u64::from(*value), varint, |raw, _| Ok(raw != 0));
packed!(bool: varint_value, |value| u64::from(*value), varint, |raw, _| Ok(raw != 0));
impl Key for bool {}
// A default is what has no bit set: -0.0 is another number.
number!(f32: Float, fixed32_value, |value| value.to_bits() == 0, |value| value.to_bits(), fixed32, |raw, _| Ok(f32::from_bits(raw)));
packed!(f32: fixed32_value, |value| value.to_bits(), fixed32, |raw, _| Ok(f32::from_bits(raw)));
number!(f64: Double, fixed64_value, |value| value.to_bits() == 0, |value| value.to_bits(), fixed64, |raw, _| Ok(f64::from_bits(raw)));
packed!(f64: fixed64_value, |value| value.to_bits(), fixed64, |raw, _| Ok(f64::from_bits(raw)));

/// A text or bytes.
macro_rules! sequence {
    ($type:ty: $kind:ident, $decode:expr) => {
        impl Value for $type {
            singular!($type);

            fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
                if !self.is_empty() {
                    self.encode_always(number, buffer);
                }
            }
        }

        impl Singular for $type {
            const KIND: Kind = Kind::$kind;

            fn encode_always(&self, number: u32, buffer: &mut Vec<u8>) {
                let bytes: &[u8] = self.as_ref();
                write::bytes_field(buffer, number, bytes);
            }

            fn decode(field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError> {
                let decode: fn(&RawField<'_>, &Bytes) -> Result<$type, DecodeError> = $decode;
                decode(field, message)
            }
        }

        impl Repeatable for $type {}
    };
}

sequence!(String: String, |field, _| field.text().map(str::to_owned));
sequence!(Bytes: Bytes, |field, message| Ok(message.slice(field.range()?)));
sequence!(Vec<u8>: Bytes, |field, _| field.bytes().map(<[u8]>::to_vec));
impl Key for String {}

/// What all types have in common that cross encoded, even into a library.
macro_rules! encoded {
    () => {
        type Cross = Encoded;

        fn into_cross(self) -> Encoded {
            encode_alone(&self)
        }

        fn from_cross(cross: Encoded) -> Result<Self, DecodeError> {
            decode_alone(&cross.0)
        }
    };
}

/// A value as a message of its own.
pub fn encode_alone<V: Value>(value: &V) -> Encoded {
    let mut buffer = Vec::new();
    value.encode(ALONE, &mut buffer);
    Encoded(buffer.into())
}

/// The value of a message that [`encode_alone`] made.
///
/// # Errors
///
/// The bytes are not such a message.
pub fn decode_alone<V: Value>(message: &Bytes) -> Result<V, DecodeError> {
    let mut value = None;
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        if field.number == ALONE {
            V::merge(&mut value, &field, message)?;
        }
    }
    or_absent(value, ALONE)
}

const ALONE: u32 = 1;

/// The value that came, or what stands for one that did not.
///
/// # Errors
///
/// The field must be there.
pub fn or_absent<V: Value>(value: Option<V>, number: u32) -> Result<V, DecodeError> {
    value.or_else(V::absent).ok_or(DecodeError::Missing { number })
}

impl<T: Singular> Value for Option<T> {
    const SHAPE: Shape = Shape::Optional(T::KIND);

    encoded!();

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        if let Some(value) = self {
            value.encode_always(number, buffer);
        }
    }

    fn merge(value: &mut Option<Self>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        *value = Some(Some(T::decode(field, message)?));
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Repeatable> Value for Vec<T> {
    const SHAPE: Shape = Shape::Repeated(T::KIND);

    encoded!();

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        T::encode_all(self, number, buffer);
    }

    fn merge(value: &mut Option<Self>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        T::decode_some(value.get_or_insert_default(), field, message)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// A map is a list of entries, each with a key under 1 and a value under 2.
macro_rules! map {
    ($map:ident<$key:ident, $value:ident $(, $hasher:ident)?>: $($bound:tt)*) => {
        impl<$key: Key $($bound)*, $value: Singular $(, $hasher: BuildHasher + Default + Send + 'static)?> Value
            for $map<$key, $value $(, $hasher)?>
        {
            const SHAPE: Shape = Shape::Map($key::KIND, $value::KIND);

            encoded!();

            fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
                for (key, value) in self {
                    write::nested(buffer, number, |buffer| {
                        key.encode(1, buffer);
                        value.encode(2, buffer);
                    });
                }
            }

            fn merge(
                value: &mut Option<Self>,
                field: &RawField<'_>,
                message: &Bytes,
            ) -> Result<(), DecodeError> {
                let (key, content) = entry(&message.slice(field.range()?))?;
                value.get_or_insert_default().insert(key, content);
                Ok(())
            }

            fn absent() -> Option<Self> {
                Some(Self::default())
            }
        }
    };
}

map!(BTreeMap<K, V>: + Ord);
map!(HashMap<K, V, S>: + Eq + Hash);

fn entry<K: Value, V: Value>(message: &Bytes) -> Result<(K, V), DecodeError> {
    let (mut key, mut value) = (None, None);
    let mut reader = Reader::new(message);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => K::merge(&mut key, &field, message)?,
            2 => V::merge(&mut value, &field, message)?,
            _ => {}
        }
    }
    Ok((or_absent(key, 1)?, or_absent(value, 2)?))
}

/// A box is what it holds: it lets a type contain itself.
impl<T: Singular> Value for Box<T> {
    const SHAPE: Shape = T::SHAPE;

    encoded!();

    fn encode(&self, number: u32, buffer: &mut Vec<u8>) {
        (**self).encode(number, buffer);
    }

    fn merge(value: &mut Option<Self>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        *value = Some(Self::decode(field, message)?);
        Ok(())
    }

    fn absent() -> Option<Self> {
        T::absent().map(Self::new)
    }
}

impl<T: Singular> Singular for Box<T> {
    const KIND: Kind = T::KIND;

    fn encode_always(&self, number: u32, buffer: &mut Vec<u8>) {
        (**self).encode_always(number, buffer);
    }

    fn decode(field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError> {
        T::decode(field, message).map(Self::new)
    }
}

impl<T: Singular> Repeatable for Box<T> {}

//! What an argument may be: a value, a reference, a stream, an object.

use std::borrow::Cow;
use std::marker::PhantomData;

use bytes::Bytes;
use jackfield_abi as abi;

use crate::codec::{DecodeError, RawField, Repeatable, Value, decode_alone, encode_alone, or_absent};
use crate::parcel::{Messages, Offer, Part, Peer};
use crate::schema::{Kind, ObjectType, Shape};
use crate::streaming::{ByteStream, Streaming};
use crate::{Handle, Interface};

use super::plugin::Exposes;

/// A type of argument. The trait names it `T`, or `&T`, for which the macro writes [`Ref<T>`].
pub trait Argument: 'static {
    /// The type in the schema.
    const SHAPE: Shape;

    /// Whether it comes again and again.
    const IS_STREAM: bool = false;

    /// What the caller gives, and what the method takes.
    type Given<'a>: Send;

    /// What the callee holds while the method runs.
    type Held<'a>: Send;

    /// What crosses into a library in its place.
    type Lend: abi::Argument;

    /// The same, for a callee that has to keep it longer than the call.
    type Own: abi::Owned;

    /// Makes what crosses.
    fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a>;

    /// Makes what is held of what crossed.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn hold<'a>(value: <Self::Lend as abi::Argument>::Value<'a>) -> Result<Self::Held<'a>, DecodeError>;

    /// The same, for a callee that has to keep it longer than the call.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn own(value: <Self::Own as abi::Argument>::Value<'static>) -> Result<Self::Held<'static>, DecodeError>;

    /// Gives the method what it takes. It is called once.
    fn give<'s>(held: &'s mut Self::Held<'_>) -> Self::Given<'s>;

    /// Adds the argument to a request.
    fn encode(given: Self::Given<'_>, number: u32, bytes: &mut Vec<u8>, parts: &mut Vec<(u32, Part)>);

    /// Takes the argument from a field of a request.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn merge(
        held: &mut Option<Self::Held<'static>>,
        field: &RawField<'_>,
        message: &Bytes,
    ) -> Result<(), DecodeError>;

    /// Takes the argument from what came with a request.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn attach(_: &mut Option<Self::Held<'static>>, number: u32, _: Part) -> Result<(), DecodeError> {
        Err(stray(number))
    }

    /// What came, or what stands for an argument that did not.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    fn complete(held: Option<Self::Held<'static>>, number: u32) -> Result<Self::Held<'static>, DecodeError>;
}

fn stray(number: u32) -> DecodeError {
    DecodeError::Interface { reason: format!("field {number} came in a form that it does not have here") }
}

impl<V: Value> Argument for V {
    const SHAPE: Shape = V::SHAPE;

    type Given<'a> = V;
    type Held<'a> = Option<V>;
    type Lend = V::Cross;
    type Own = V::Cross;

    #[inline(always)]
    fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a> {
        given.into_cross()
    }

    #[inline(always)]
    fn hold<'a>(value: <Self::Lend as abi::Argument>::Value<'a>) -> Result<Self::Held<'a>, DecodeError> {
        V::from_cross(value).map(Some)
    }

    #[inline(always)]
    fn own(value: <Self::Own as abi::Argument>::Value<'static>) -> Result<Option<V>, DecodeError> {
        V::from_cross(value).map(Some)
    }

    #[inline(always)]
    fn give(held: &mut Option<V>) -> V {
        held.take().expect("an argument is given once")
    }

    fn encode(given: V, number: u32, bytes: &mut Vec<u8>, _: &mut Vec<(u32, Part)>) {
        given.encode(number, bytes);
    }

    fn merge(held: &mut Option<Option<V>>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        V::merge(held.get_or_insert(None), field, message)
    }

    fn complete(held: Option<Option<V>>, number: u32) -> Result<Option<V>, DecodeError> {
        or_absent(held.flatten(), number).map(Some)
    }
}

/// Stands for `&T` among the types of arguments.
#[derive(Debug)]
pub struct Ref<T: ?Sized>(PhantomData<fn(&T)>);

/// A borrowed sequence, which crosses as it is.
macro_rules! borrowed {
    ($borrowed:ty, $owned:ty, $cross:ty) => {
        impl Argument for Ref<$borrowed> {
            const SHAPE: Shape = <$owned as Value>::SHAPE;

            type Given<'a> = &'a $borrowed;
            type Held<'a> = Cow<'a, $borrowed>;
            type Lend = $cross;
            type Own = $owned;

            #[inline(always)]
            fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a> {
                given
            }

            #[inline(always)]
            fn hold<'a>(
                value: <Self::Lend as abi::Argument>::Value<'a>,
            ) -> Result<Self::Held<'a>, DecodeError> {
                Ok(Cow::Borrowed(value))
            }

            fn own(value: $owned) -> Result<Cow<'static, $borrowed>, DecodeError> {
                Ok(Cow::Owned(value))
            }

            #[inline(always)]
            fn give<'s>(held: &'s mut Cow<'_, $borrowed>) -> &'s $borrowed {
                held
            }

            fn encode(given: &$borrowed, number: u32, bytes: &mut Vec<u8>, _: &mut Vec<(u32, Part)>) {
                if !given.is_empty() {
                    crate::codec::write::bytes_field(bytes, number, given.as_ref());
                }
            }

            fn merge(
                held: &mut Option<Cow<'static, $borrowed>>,
                field: &RawField<'_>,
                message: &Bytes,
            ) -> Result<(), DecodeError> {
                let mut owned = None;
                <$owned as Value>::merge(&mut owned, field, message)?;
                *held = owned.map(Cow::Owned);
                Ok(())
            }

            fn complete(
                held: Option<Cow<'static, $borrowed>>,
                _: u32,
            ) -> Result<Cow<'static, $borrowed>, DecodeError> {
                Ok(held.unwrap_or_default())
            }
        }
    };
}

borrowed!(str, String, abi::Str);
borrowed!([u8], Vec<u8>, abi::Octets);

/// A borrowed value, which crosses encoded, and is a value of the callee's own there.
impl<T: Value + Sync> Argument for Ref<T> {
    const SHAPE: Shape = T::SHAPE;

    type Given<'a> = &'a T;
    type Held<'a> = T;
    type Lend = abi::Encoded;
    type Own = abi::Encoded;

    fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a> {
        encode_alone(given)
    }

    fn hold<'a>(value: <Self::Lend as abi::Argument>::Value<'a>) -> Result<Self::Held<'a>, DecodeError> {
        decode_alone(&value.0)
    }

    fn own(value: abi::Encoded) -> Result<T, DecodeError> {
        decode_alone(&value.0)
    }

    fn give(held: &mut T) -> &T {
        held
    }

    fn encode(given: &T, number: u32, bytes: &mut Vec<u8>, _: &mut Vec<(u32, Part)>) {
        given.encode(number, bytes);
    }

    fn merge(held: &mut Option<T>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        T::merge(held, field, message)
    }

    fn complete(held: Option<T>, number: u32) -> Result<T, DecodeError> {
        or_absent(held, number)
    }
}

/// A borrowed list, as for a borrowed value.
impl<T: Repeatable + Sync> Argument for Ref<[T]> {
    const SHAPE: Shape = Shape::Repeated(T::KIND);

    type Given<'a> = &'a [T];
    type Held<'a> = Vec<T>;
    type Lend = abi::Encoded;
    type Own = abi::Encoded;

    fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a> {
        let mut buffer = Vec::new();
        T::encode_all(given, 1, &mut buffer);
        abi::Encoded(buffer.into())
    }

    fn hold<'a>(value: <Self::Lend as abi::Argument>::Value<'a>) -> Result<Self::Held<'a>, DecodeError> {
        decode_alone(&value.0)
    }

    fn own(value: abi::Encoded) -> Result<Vec<T>, DecodeError> {
        decode_alone(&value.0)
    }

    fn give(held: &mut Vec<T>) -> &[T] {
        held
    }

    fn encode(given: &[T], number: u32, bytes: &mut Vec<u8>, _: &mut Vec<(u32, Part)>) {
        T::encode_all(given, number, bytes);
    }

    fn merge(held: &mut Option<Vec<T>>, field: &RawField<'_>, message: &Bytes) -> Result<(), DecodeError> {
        Value::merge(held, field, message)
    }

    fn complete(held: Option<Vec<T>>, _: u32) -> Result<Vec<T>, DecodeError> {
        Ok(held.unwrap_or_default())
    }
}

/// A stream: on every lane it is asked for one message at a time.
macro_rules! stream {
    ([$($item:ident)?] $type:ty, $shape:expr, $into:expr, $from:expr) => {
        impl<$($item: Value)?> Argument for $type {
            const SHAPE: Shape = $shape;
            const IS_STREAM: bool = true;

            type Given<'a> = $type;
            type Held<'a> = Option<$type>;
            type Lend = abi::Messages;
            type Own = abi::Messages;

            fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a> {
                let into: fn($type, u32) -> Messages = $into;
                into(given, 1).into_crossing()
            }

            fn hold<'a>(
        value: <Self::Lend as abi::Argument>::Value<'a>,
    ) -> Result<Self::Held<'a>, DecodeError> {
                Self::own(value)
            }

            fn own(value: abi::Messages) -> Result<Option<$type>, DecodeError> {
                let from: fn(Messages, u32) -> $type = $from;
                Ok(Some(from(Messages::from_crossing(value), 1)))
            }

            fn give(held: &mut Option<$type>) -> $type {
                held.take().expect("an argument is given once")
            }

            fn encode(given: $type, number: u32, _: &mut Vec<u8>, parts: &mut Vec<(u32, Part)>) {
                let into: fn($type, u32) -> Messages = $into;
                parts.push((number, Part::Stream(into(given, number))));
            }

            /// A first item may stand in the message of the other arguments; it comes with the stream as well.
            fn merge(
                _: &mut Option<Option<$type>>,
                _: &RawField<'_>,
                _: &Bytes,
            ) -> Result<(), DecodeError> {
                Ok(())
            }

            fn attach(held: &mut Option<Option<$type>>, number: u32, part: Part) -> Result<(), DecodeError> {
                let Part::Stream(messages) = part else { return Err(stray(number)) };
                let from: fn(Messages, u32) -> $type = $from;
                *held = Some(Some(from(messages, number)));
                Ok(())
            }

            fn complete(held: Option<Option<$type>>, number: u32) -> Result<Option<$type>, DecodeError> {
                held.ok_or(DecodeError::Missing { number })
            }
        }
    };
}

stream!([T] Streaming<T>, T::SHAPE, Streaming::into_messages, Streaming::from_messages);
stream!(
    [] ByteStream,
    Shape::Singular(Kind::Bytes),
    |stream, number| stream.0.into_messages(number),
    |messages, number| ByteStream(Streaming::from_messages(messages, number))
);

/// An object of another interface.
impl<I: Interface + Exposes<Self> + ?Sized> Argument for Handle<I> {
    const SHAPE: Shape = Shape::Interface(ObjectType::of::<I>());

    type Given<'a> = Self;
    type Held<'a> = Option<Self>;
    type Lend = abi::Passed;
    type Own = abi::Passed;

    fn lend<'a>(given: Self::Given<'a>) -> <Self::Lend as abi::Argument>::Value<'a> {
        given.into_passed()
    }

    fn hold<'a>(value: <Self::Lend as abi::Argument>::Value<'a>) -> Result<Self::Held<'a>, DecodeError> {
        Self::from_passed(value).map(Some)
    }

    fn own(value: abi::Passed) -> Result<Option<Self>, DecodeError> {
        Self::from_passed(value).map(Some)
    }

    fn give(held: &mut Option<Self>) -> Self {
        held.take().expect("an argument is given once")
    }

    fn encode(given: Self, number: u32, _: &mut Vec<u8>, parts: &mut Vec<(u32, Part)>) {
        parts.push((number, given.into_part()));
    }

    /// In the message stands the number under which a broker knows it; the object itself comes beside it.
    fn merge(_: &mut Option<Option<Self>>, _: &RawField<'_>, _: &Bytes) -> Result<(), DecodeError> {
        Ok(())
    }

    fn attach(held: &mut Option<Option<Self>>, number: u32, part: Part) -> Result<(), DecodeError> {
        let Part::Object(peer) = part else { return Err(stray(number)) };
        *held = Some(Some(Self::from_peer(peer)?));
        Ok(())
    }

    fn complete(held: Option<Option<Self>>, number: u32) -> Result<Option<Self>, DecodeError> {
        held.ok_or(DecodeError::Missing { number })
    }
}

impl<I: Interface + Exposes<Self> + ?Sized> Handle<I> {
    pub(crate) fn into_passed(self) -> abi::Passed {
        abi::Passed::new(I::SCHEMA.service, I::METHODS, self)
    }

    pub(super) fn into_part(self) -> Part {
        Part::Object(Peer::Offered(Offer::new(I::SCHEMA, self.into_passed())))
    }

    pub(super) fn from_passed(passed: abi::Passed) -> Result<Self, DecodeError> {
        let object = passed.into_object().ok_or_else(|| stray(0))?;
        Self::from_peer(Peer::Bound(object))
    }
}

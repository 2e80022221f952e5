//! What a result may be: nothing, a value, a stream, an object.

use jackfield_abi as abi;

use super::plugin::Exposes;
use crate::codec::{DecodeError, Reader, Value, or_absent};
use crate::parcel::{Messages, Parcel, Part};
use crate::schema::{Field, Kind, Method, ObjectType, Shape};
use crate::streaming::{ByteStream, Streaming};
use crate::{Handle, Interface};

/// A result that can be a response.
pub trait Answer: Sized + Send + 'static {
    /// The fields of the response.
    const FIELDS: &'static [Field];

    /// What crosses out of a library in its place.
    type Cross: abi::Cross;

    /// Makes what crosses.
    fn into_cross(self) -> Self::Cross;

    /// Makes the result of what crossed.
    ///
    /// # Errors
    /// It is no such result.
    fn from_cross(cross: Self::Cross) -> Result<Self, DecodeError>;

    /// Makes a response.
    fn encode(self, method: &Method) -> Parcel;

    /// Takes the result from a response.
    ///
    /// # Errors
    /// It is no such response.
    fn decode(response: Parcel, method: &Method) -> Result<Self, DecodeError>;
}

impl Answer for () {
    const FIELDS: &'static [Field] = &[];

    type Cross = ();

    #[inline(always)]
    fn into_cross(self) {}

    #[inline(always)]
    fn from_cross((): ()) -> Result<(), DecodeError> {
        Ok(())
    }

    fn encode(self, _: &Method) -> Parcel {
        Parcel::default()
    }

    fn decode(response: Parcel, _: &Method) -> Result<(), DecodeError> {
        let mut reader = Reader::new(&response.bytes);
        while reader.next_field()?.is_some() {}
        Ok(())
    }
}

impl<V: Value> Answer for V {
    const FIELDS: &'static [Field] = &[Field::new("value", 1, V::SHAPE)];

    type Cross = V::Cross;

    #[inline(always)]
    fn into_cross(self) -> V::Cross {
        Value::into_cross(self)
    }

    #[inline(always)]
    fn from_cross(cross: V::Cross) -> Result<Self, DecodeError> {
        Value::from_cross(cross)
    }

    fn encode(self, method: &Method) -> Parcel {
        let mut buffer = Vec::new();
        Value::encode(&self, number(method), &mut buffer);
        Parcel::from(bytes::Bytes::from(buffer))
    }

    fn decode(response: Parcel, method: &Method) -> Result<Self, DecodeError> {
        let (number, mut value) = (number(method), None);
        let mut reader = Reader::new(&response.bytes);
        while let Some(field) = reader.next_field()? {
            if field.number == number {
                V::merge(&mut value, &field, &response.bytes)?;
            }
        }
        or_absent(value, number)
    }
}

fn number(method: &Method) -> u32 {
    method.result[0].number
}

/// The one part of a response.
fn part(response: Parcel, method: &Method) -> Result<Part, DecodeError> {
    let number = number(method);
    let part = response.parts.into_iter().find(|(other, _)| *other == number);
    part.map(|(_, part)| part).ok_or(DecodeError::Missing { number })
}

fn stream(response: Parcel, method: &Method) -> Result<Messages, DecodeError> {
    match part(response, method)? {
        Part::Stream(messages) => Ok(messages),
        Part::Object(_) => Err(DecodeError::Missing { number: number(method) }),
    }
}

impl<T: Value> Answer for Streaming<T> {
    const FIELDS: &'static [Field] = &[Field::stream("value", 1, T::SHAPE)];

    type Cross = abi::Messages;

    fn into_cross(self) -> abi::Messages {
        self.into_messages(1).into_crossing()
    }

    fn from_cross(cross: abi::Messages) -> Result<Self, DecodeError> {
        Ok(Self::from_messages(Messages::from_crossing(cross), 1))
    }

    fn encode(self, method: &Method) -> Parcel {
        let number = number(method);
        Parcel { parts: vec![(number, Part::Stream(self.into_messages(number)))], ..Parcel::default() }
    }

    fn decode(response: Parcel, method: &Method) -> Result<Self, DecodeError> {
        Ok(Self::from_messages(stream(response, method)?, number(method)))
    }
}

impl Answer for ByteStream {
    const FIELDS: &'static [Field] = &[Field::stream("value", 1, Shape::Singular(Kind::Bytes))];

    type Cross = abi::Messages;

    fn into_cross(self) -> abi::Messages {
        self.0.into_cross()
    }

    fn from_cross(cross: abi::Messages) -> Result<Self, DecodeError> {
        Streaming::from_cross(cross).map(Self)
    }

    fn encode(self, method: &Method) -> Parcel {
        self.0.encode(method)
    }

    fn decode(response: Parcel, method: &Method) -> Result<Self, DecodeError> {
        Streaming::decode(response, method).map(Self)
    }
}

impl<I: Interface + Exposes<Self> + ?Sized> Answer for Handle<I> {
    const FIELDS: &'static [Field] = &[Field::new("value", 1, Shape::Interface(ObjectType::of::<I>()))];

    type Cross = abi::Passed;

    fn into_cross(self) -> abi::Passed {
        self.into_passed()
    }

    fn from_cross(cross: abi::Passed) -> Result<Self, DecodeError> {
        Self::from_passed(cross)
    }

    fn encode(self, method: &Method) -> Parcel {
        Parcel { parts: vec![(number(method), self.into_part())], ..Parcel::default() }
    }

    fn decode(response: Parcel, method: &Method) -> Result<Self, DecodeError> {
        match part(response, method)? {
            Part::Object(peer) => Self::from_peer(peer),
            Part::Stream(_) => Err(DecodeError::Missing { number: number(method) }),
        }
    }
}

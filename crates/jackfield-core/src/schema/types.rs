//! The types of fields: protobuf's, as plain constants.

use std::sync::Arc;

use jackfield_abi::signature::{of, tuple};
use jackfield_abi::{Passed, StaticRef};

use super::Schema;
use crate::generated::Exposes;
use crate::parcel::Peer;
use crate::{Channel, Handle, Interface};

/// The description of a field.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// The number, from 1.
    pub number: u32,
    /// The type, and how often it comes.
    pub shape: Shape,
    /// Whether the field comes again and again, each time in a message of its own.
    pub is_stream: bool,
}

impl Field {
    /// A field that comes in one message with its siblings.
    pub const fn new(name: &'static str, number: u32, shape: Shape) -> Self {
        Self { name, number, shape, is_stream: false }
    }

    /// A field that comes again and again, each time in a message of its own.
    pub const fn stream(name: &'static str, number: u32, shape: Shape) -> Self {
        Self { name, number, shape, is_stream: true }
    }

    /// Its type, if it is an object.
    pub const fn object_type(&self) -> Option<&ObjectType> {
        match &self.shape {
            Shape::Interface(ty) => Some(ty),
            _ => None,
        }
    }

    /// Whether it comes beside the message, since it cannot be encoded: a stream or an object.
    pub const fn is_part(&self) -> bool {
        self.is_stream || self.object_type().is_some()
    }
}

/// A type, and how often it comes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Shape {
    /// Another interface: an object that the caller or the plugin offers. On a wire it is the number under which a
    /// broker knows it.
    Interface(ObjectType),
    /// Keys of the first type, each with a value of the second.
    Map(Kind, Kind),
    /// Once or not at all, which is not the same as its default.
    Optional(Kind),
    /// Any number of times.
    Repeated(Kind),
    /// Once. A default is left out.
    Singular(Kind),
}

impl Shape {
    /// What stands for it. Types with a name are told apart by it alone: what is in them may grow.
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Interface(ty) => tuple(&[1, of(ty.schema().service)]),
            Self::Map(key, value) => tuple(&[2, key.identity(), value.identity()]),
            Self::Optional(kind) => tuple(&[3, kind.identity()]),
            Self::Repeated(kind) => tuple(&[4, kind.identity()]),
            Self::Singular(kind) => tuple(&[5, kind.identity()]),
        }
    }
}

/// An interface as the type of a field.
#[derive(Clone, Copy, Debug)]
pub struct ObjectType {
    schema: StaticRef<Schema>,
    adopt: fn(Arc<dyn Channel>) -> Passed,
}

impl ObjectType {
    /// The type of objects of the interface `I`.
    pub(crate) const fn of<I: Interface + Exposes<Handle<I>> + ?Sized>() -> Self {
        Self { schema: I::SCHEMA_REF, adopt: adopt::<I> }
    }

    #[cfg(test)]
    pub(crate) const fn described(schema: &'static Schema) -> Self {
        Self { schema: StaticRef::new(schema), adopt: |_| Passed::new::<()>("", &[], ()) }
    }

    /// The interface.
    pub const fn schema(&self) -> &'static Schema {
        self.schema.get()
    }

    /// Makes an object at the other end of a wire one that can be handed over to code in this process.
    pub(crate) fn adopt(&self, channel: Arc<dyn Channel>) -> Passed {
        (self.adopt)(channel)
    }
}

fn adopt<I: Interface + Exposes<Handle<I>> + ?Sized>(channel: Arc<dyn Channel>) -> Passed {
    let handle = Handle::<I>::from_peer(Peer::Channel(channel));
    handle.expect("a channel is a lane as it is").into_passed()
}

/// A type.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `bool`.
    Bool,
    /// `bytes`.
    Bytes,
    /// `double`.
    Double,
    /// A user's enum without data.
    Enum(StaticRef<EnumType>),
    /// `float`.
    Float,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// A user's struct, a tuple, or an enum with data.
    Message(StaticRef<MessageType>),
    /// `string`.
    String,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
}

impl Kind {
    /// Protobuf's number of the type (`FieldDescriptorProto.Type`).
    pub const fn number(self) -> u32 {
        match self {
            Self::Bool => 8,
            Self::Bytes => 12,
            Self::Double => 1,
            Self::Enum(_) => 14,
            Self::Float => 2,
            Self::Int32 => 5,
            Self::Int64 => 3,
            Self::Message(_) => 11,
            Self::String => 9,
            Self::Uint32 => 13,
            Self::Uint64 => 4,
        }
    }
}

impl Kind {
    /// What stands for it, as for a [`Shape`].
    const fn identity(self) -> u64 {
        let name = match self {
            Self::Enum(ty) => of(ty.get().name),
            Self::Message(ty) => match ty.get().name {
                TypeName::Named(name) => of(name),
                TypeName::Tuple => {
                    let (fields, mut number, mut index) = (ty.get().fields, 0, 0);
                    while index < fields.len() {
                        number = tuple(&[number, fields[index].shape.number()]);
                        index += 1;
                    }
                    number
                }
            },
            _ => 0,
        };
        tuple(&[self.number() as u64, name])
    }
}

/// A user's struct, a tuple, or an enum with data.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct MessageType {
    /// The name.
    pub name: TypeName,
    /// Where in Rust the type is: two types of one name must not meet in one interface.
    pub path: &'static str,
    /// The fields.
    pub fields: &'static [Field],
    /// Whether exactly one of the fields is there: then the type is an enum with data.
    pub is_oneof: bool,
}

/// The name of a message.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "generated code writes it as a constant")]
pub enum TypeName {
    /// The name of a Rust type.
    Named(&'static str),
    /// A tuple has no name of its own: it is made of its fields' types.
    Tuple,
}

/// A user's enum without data.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct EnumType {
    /// The name.
    pub name: &'static str,
    /// Where in Rust the type is.
    pub path: &'static str,
    /// The variants. The first has the number 0.
    pub variants: &'static [Variant],
}

/// A variant of an [`EnumType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Variant {
    /// The name, such as `COLOUR_RED`.
    pub name: &'static str,
    /// The number.
    pub number: i32,
}

/// The message without fields: requests without arguments, responses without a result, variants without data.
pub static EMPTY: MessageType = MessageType {
    name: TypeName::Named("Empty"),
    path: "jackfield_core::EMPTY",
    fields: &[],
    is_oneof: false,
};

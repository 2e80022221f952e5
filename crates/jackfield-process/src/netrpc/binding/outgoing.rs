//! The fields of a message as a Go value to be sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gobwire::{Describer, Encode, Result as GobResult, ValueEncoder, ids, names};
use jackfield_core::codec::{DecodeError, RawField, Reader, Value};
use jackfield_core::schema::Kind;
use jackfield_core::{Bytes, Field, Method};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::fit::kind;
use super::go_name::go_name;

/// How several arguments are sent, for net/rpc has methods of one argument only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// As a `map[string]interface{}`, under the names that they have in Rust.
    Map,
    /// As a struct, whose fields have the names of the arguments as Go spells them.
    #[default]
    Struct,
}

/// The fields of a request or of a response.
pub(crate) struct Outgoing {
    method: &'static Method,
    fields: &'static [Field],
    values: Vec<Scalar>,
    arguments: Arguments,
    nothing: Nothing,
}

/// What is sent where there is nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nothing {
    /// A nil `interface{}`, as Go's own plugins answer.
    Nil,
    /// An `interface{}` with something in it. Go passes wrongly over a nil one: were the method unknown, the caller
    /// would wait for ever, and the next call would be lost.
    Something,
}

/// A value of one field.
#[derive(Debug, Clone, PartialEq)]
enum Scalar {
    Bool(bool),
    Bytes(Bytes),
    Float(f64),
    Int(i64),
    Text(String),
    Uint(u64),
}

impl Outgoing {
    /// The arguments of a call.
    pub(super) fn request(
        method: &'static Method,
        message: &Bytes,
        arguments: Arguments,
    ) -> Result<Self, DecodeError> {
        let values = read(method.arguments, message)?;
        Ok(Self { method, fields: method.arguments, values, arguments, nothing: Nothing::Something })
    }

    /// The result of a call.
    pub(super) fn response(method: &'static Method, message: &Bytes) -> Result<Self, DecodeError> {
        let arguments = Arguments::Struct;
        let values = read(method.result, message)?;
        Ok(Self { method, fields: method.result, values, arguments, nothing: Nothing::Nil })
    }

    fn shape(&self) -> Shape<'_> {
        match (&self.values[..], self.arguments) {
            ([], Arguments::Struct) => Shape::Nothing,
            ([value], Arguments::Struct) => Shape::One(value),
            (_, Arguments::Struct) => Shape::Struct,
            (_, Arguments::Map) => Shape::Map,
        }
    }

    fn by_name(&self) -> impl ExactSizeIterator<Item = (&'static Field, &Scalar)> {
        self.fields.iter().zip(&self.values)
    }
}

/// What the fields are sent as.
enum Shape<'a> {
    Map,
    Nothing,
    One(&'a Scalar),
    Struct,
}

impl Encode for Outgoing {
    fn describe_value(&self, describer: &mut Describer<'_>) -> GobResult<i64> {
        match self.shape() {
            Shape::Map => Ok(describer.map(names::STRING_ANY_MAP, ids::STRING, ids::INTERFACE)),
            Shape::Nothing => Ok(ids::INTERFACE),
            Shape::One(value) => value.describe_value(describer),
            Shape::Struct => describer.structure(self.method.path, self.method.name, |_| {
                Ok(self.by_name().map(|(field, value)| (go_name(field.name), value.id())).collect())
            }),
        }
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn frames_as_struct(&self) -> bool {
        matches!(self.shape(), Shape::Struct)
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        match self.shape() {
            Shape::Map => {
                encoder.uint(self.values.len() as u64);
                for (field, value) in self.by_name() {
                    encoder.bytes(field.name.as_bytes());
                    encoder.interface(Some((go_type(kind(field)), value)))?;
                }
            }
            Shape::Nothing => encoder.interface(match self.nothing {
                Nothing::Nil => None,
                Nothing::Something => Some((names::BOOL, &false)),
            })?,
            Shape::One(value) => value.encode(encoder)?,
            Shape::Struct => {
                let mut fields = encoder.structure();
                for (index, value) in (0..).zip(&self.values) {
                    fields.field(index, value)?;
                }
                fields.end();
            }
        }
        Ok(())
    }
}

impl Serialize for Outgoing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self.shape() {
            Shape::Nothing => return serializer.serialize_unit(),
            Shape::One(value) => return value.serialize(serializer),
            Shape::Struct => go_name,
            Shape::Map => |name| name,
        };
        let mut fields = serializer.serialize_map(Some(self.values.len()))?;
        for (field, value) in self.by_name() {
            fields.serialize_entry(name(field.name), value)?;
        }
        fields.end()
    }
}

impl Scalar {
    fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(false),
            Kind::Double | Kind::Float => Self::Float(0.0),
            Kind::Int32 | Kind::Int64 => Self::Int(0),
            Kind::String => Self::Text(String::new()),
            Kind::Uint32 | Kind::Uint64 => Self::Uint(0),
            // An interface with anything else is refused when it is loaded.
            _ => Self::Bytes(Bytes::new()),
        }
    }

    fn read(kind: Kind, field: &RawField<'_>, message: &Bytes) -> Result<Self, DecodeError> {
        Ok(match kind {
            Kind::Bool => Self::Bool(decode::<bool>(field, message)?),
            Kind::Double => Self::Float(decode::<f64>(field, message)?),
            Kind::Float => Self::Float(decode::<f32>(field, message)?.into()),
            Kind::Int32 => Self::Int(decode::<i32>(field, message)?.into()),
            Kind::Int64 => Self::Int(decode::<i64>(field, message)?),
            Kind::String => Self::Text(decode::<String>(field, message)?),
            Kind::Uint32 => Self::Uint(decode::<u32>(field, message)?.into()),
            Kind::Uint64 => Self::Uint(decode::<u64>(field, message)?),
            _ => Self::Bytes(decode::<Bytes>(field, message)?),
        })
    }

    fn id(&self) -> i64 {
        match self {
            Self::Bool(_) => ids::BOOL,
            Self::Bytes(_) => ids::BYTES,
            Self::Float(_) => ids::FLOAT,
            Self::Int(_) => ids::INT,
            Self::Text(_) => ids::STRING,
            Self::Uint(_) => ids::UINT,
        }
    }
}

impl Encode for Scalar {
    fn describe_value(&self, _: &mut Describer<'_>) -> GobResult<i64> {
        Ok(self.id())
    }

    fn is_zero(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Bytes(value) => value.is_empty(),
            Self::Float(value) => *value == 0.0,
            Self::Int(value) => *value == 0,
            Self::Text(value) => value.is_empty(),
            Self::Uint(value) => *value == 0,
        }
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        match self {
            Self::Bool(value) => encoder.bool(*value),
            Self::Bytes(value) => encoder.bytes(value),
            Self::Float(value) => encoder.float(*value),
            Self::Int(value) => encoder.int(*value),
            Self::Text(value) => encoder.bytes(value.as_bytes()),
            Self::Uint(value) => encoder.uint(*value),
        }
        Ok(())
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            // As Go has bytes in JSON.
            Self::Bytes(value) => serializer.serialize_str(&STANDARD.encode(value)),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Uint(value) => serializer.serialize_u64(*value),
        }
    }
}

fn decode<T: Value + Default>(field: &RawField<'_>, message: &Bytes) -> Result<T, DecodeError> {
    let mut value = None;
    T::merge(&mut value, field, message)?;
    Ok(value.unwrap_or_default())
}

fn read(fields: &'static [Field], message: &Bytes) -> Result<Vec<Scalar>, DecodeError> {
    let mut values: Vec<_> = fields.iter().map(|field| Scalar::default_of(kind(field))).collect();
    let mut reader = Reader::new(message);
    while let Some(raw) = reader.next_field()? {
        if let Some(index) = fields.iter().position(|field| field.number == raw.number) {
            values[index] = Scalar::read(kind(&fields[index]), &raw, message)?;
        }
    }
    Ok(values)
}

/// The name of the Go type that an interface holds.
fn go_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => names::BOOL,
        Kind::Double => names::FLOAT64,
        Kind::Float => "float32",
        Kind::Int32 => "int32",
        Kind::Int64 => names::INT64,
        Kind::String => names::STRING,
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        _ => names::BYTES,
    }
}

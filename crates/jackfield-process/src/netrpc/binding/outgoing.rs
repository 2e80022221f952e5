//! The arguments or the result of a call as the one value that net/rpc sends.

use gobwire::{Describer, Encode, Result as GobResult, ValueEncoder, ids, names};
use jackfield_core::codec::DecodeError;
use jackfield_core::{Bytes, Field, Method, Shape};
use serde::{Serialize, Serializer};

use super::go_name::go_name;
use super::item::{Item, describe_fields, encode_fields, read_fields, serialize_fields};

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
    values: Vec<Option<Item>>,
    form: Form,
}

/// What the fields are sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The one that there is.
    Alone,
    Map,
    /// A nil `interface{}`, as Go's own plugins answer.
    Nil,
    /// An `interface{}` with something in it. Go passes wrongly over a nil one: were the method unknown, the caller
    /// would wait for ever, and the next call would be lost.
    Something,
    Struct,
}

impl Outgoing {
    /// The arguments of a call.
    pub(super) fn request(
        method: &'static Method,
        message: &Bytes,
        arguments: Arguments,
    ) -> Result<Self, DecodeError> {
        let form = match (method.arguments, arguments) {
            (_, Arguments::Map) => Form::Map,
            ([], Arguments::Struct) => Form::Something,
            (fields, Arguments::Struct) => form(fields),
        };
        Self::new(method, method.arguments, form, message)
    }

    /// The result of a call.
    pub(super) fn response(method: &'static Method, message: &Bytes) -> Result<Self, DecodeError> {
        let form = match method.result {
            [] => Form::Nil,
            fields => form(fields),
        };
        Self::new(method, method.result, form, message)
    }

    fn new(
        method: &'static Method,
        fields: &'static [Field],
        form: Form,
        message: &Bytes,
    ) -> Result<Self, DecodeError> {
        let mut values = read_fields(fields, message, 0)?;
        if matches!(form, Form::Alone | Form::Map) {
            for (field, value) in fields.iter().zip(&mut values) {
                *value = value.take().or_else(|| Item::default_of(field.shape));
            }
        }
        Ok(Self { method, fields, values, form })
    }

    fn alone(&self) -> Option<&Item> {
        match (self.form, &self.values[..]) {
            (Form::Alone, [value]) => value.as_ref(),
            _ => None,
        }
    }

    fn given(&self) -> impl Iterator<Item = (&'static Field, &Item)> {
        self.fields.iter().zip(&self.values).filter_map(|(field, value)| Some((field, value.as_ref()?)))
    }
}

/// Nothing is sent in the place of an option: it is a struct with a pointer, for a value by itself is always there.
fn form(fields: &[Field]) -> Form {
    match fields {
        [field] if !is_optional(field) => Form::Alone,
        _ => Form::Struct,
    }
}

/// Whether a value may be absent.
pub(super) fn is_optional(field: &Field) -> bool {
    matches!(field.shape, Shape::Optional(_))
}

impl Encode for Outgoing {
    fn describe_value(&self, describer: &mut Describer<'_>) -> GobResult<i64> {
        if let Some(value) = self.alone() {
            return value.describe_value(describer);
        }
        match self.form {
            Form::Map => Ok(describer.map(names::STRING_ANY_MAP, ids::STRING, ids::INTERFACE)),
            Form::Struct => describer.structure(self.method.path, self.method.name, |describer| {
                describe_fields(self.fields, describer)
            }),
            Form::Alone | Form::Nil | Form::Something => Ok(ids::INTERFACE),
        }
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn frames_as_struct(&self) -> bool {
        self.form == Form::Struct || self.alone().is_some_and(Encode::frames_as_struct)
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        if let Some(value) = self.alone() {
            return value.encode(encoder);
        }
        match self.form {
            Form::Map => {
                encoder.uint(self.given().count() as u64);
                for (field, value) in self.given() {
                    encoder.bytes(field.name.as_bytes());
                    value.encode_dynamic(field, encoder)?;
                }
                Ok(())
            }
            Form::Struct => encode_fields(self.fields, &self.values, encoder),
            Form::Something => encoder.interface(Some((names::BOOL, &false))),
            Form::Alone | Form::Nil => encoder.interface(None),
        }
    }
}

impl Serialize for Outgoing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(value) = self.alone() {
            return value.serialize(serializer);
        }
        match self.form {
            Form::Map => serialize_fields(self.fields, &self.values, str::to_owned, serializer),
            Form::Struct => serialize_fields(self.fields, &self.values, go_name, serializer),
            Form::Alone | Form::Nil | Form::Something => serializer.serialize_unit(),
        }
    }
}

//! A value that came, before it is known what it should be.

use gobwire::{
    Decode, Describer, Dynamic, GobType, Interface, Result as GobResult, StructType, Type, TypeTable,
    Value as GobValue, ValueDecoder,
};
use serde::{Deserialize, Deserializer};
use serde_json::Value as JsonValue;

/// Any value of a Go program, as far as net/rpc can show it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Loose {
    Bool(bool),
    Bytes(Vec<u8>),
    /// A struct, or a map whose keys are texts.
    Fields(Vec<(String, Self)>),
    Float(f64),
    Int(i64),
    List(Vec<Self>),
    /// A nil interface, or `null`.
    #[default]
    Nothing,
    /// A text of JSON, which may be bytes in base64.
    JsonText(String),
    /// The key of a map, which a text may be whatever it means.
    Key(String),
    /// A map whose keys are no texts.
    Pairs(Vec<(Self, Self)>),
    Text(String),
    Uint(u64),
    /// Something that no interface has, such as a complex number.
    Unknown(&'static str),
}

impl GobType for Loose {
    fn describe(describer: &mut Describer<'_>) -> GobResult<i64> {
        Dynamic::describe(describer)
    }

    fn compatible(types: &TypeTable, wire: i64) -> bool {
        Dynamic::compatible(types, wire)
    }
}

impl Decode for Loose {
    fn decode_into(&mut self, decoder: &mut ValueDecoder<'_>, wire: i64) -> GobResult<()> {
        let mut value = Dynamic::default();
        value.decode_into(decoder, wire)?;
        *self = from_gob(&value.ty, value.value, &mut Vec::new());
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        JsonValue::deserialize(deserializer).map(from_json)
    }
}

/// `structs` are those around the value, to which a recursive type refers.
fn from_gob<'a>(ty: &'a Type, value: GobValue, structs: &mut Vec<&'a StructType>) -> Loose {
    match (ty, value) {
        (_, GobValue::Bool(value)) => Loose::Bool(value),
        (_, GobValue::Int(value)) => Loose::Int(value),
        (_, GobValue::Uint(value)) => Loose::Uint(value),
        (_, GobValue::Float(value)) => Loose::Float(value),
        (_, GobValue::Bytes(value)) => Loose::Bytes(value),
        (_, GobValue::String(value)) => Loose::Text(value),
        (_, GobValue::Interface(None)) => Loose::Nothing,
        (_, GobValue::Interface(Some(inner))) => {
            let Interface { ty, value, .. } = *inner;
            from_gob(&ty, value, &mut Vec::new())
        }
        (Type::Slice(element) | Type::Array(element, _), GobValue::Slice(list) | GobValue::Array(list)) => {
            Loose::List(list.into_iter().map(|value| from_gob(element, value, structs)).collect())
        }
        (Type::Map(key_type, value_type), GobValue::Map(pairs)) => {
            let pairs = pairs.into_iter();
            let mut loosen = |ty, value| from_gob(ty, value, structs);
            if matches!(&**key_type, Type::String) {
                let fields = pairs.filter_map(|(key, value)| match key {
                    GobValue::String(key) => Some((key, loosen(value_type, value))),
                    _ => None,
                });
                return Loose::Fields(fields.collect());
            }
            Loose::Pairs(
                pairs.map(|(key, value)| (loosen(key_type, key), loosen(value_type, value))).collect(),
            )
        }
        (Type::Struct(ty), GobValue::Struct(values)) => struct_fields(ty, values, structs),
        (Type::Ref(levels), GobValue::Struct(values)) => {
            let ty = structs.len().checked_sub(levels + 1).and_then(|index| structs.get(index)).copied();
            match ty {
                Some(ty) => struct_fields(ty, values, structs),
                None => Loose::Unknown("a type that refers to nothing"),
            }
        }
        (_, GobValue::Complex(..)) => Loose::Unknown("a complex number"),
        (_, GobValue::Marshaled(_)) => Loose::Unknown("a value that encodes itself"),
        _ => Loose::Unknown("a value that does not fit its type"),
    }
}

fn struct_fields<'a>(
    ty: &'a StructType,
    values: Vec<Option<GobValue>>,
    structs: &mut Vec<&'a StructType>,
) -> Loose {
    structs.push(ty);
    let fields = ty.fields.iter().zip(values).filter_map(|((name, ty), value)| {
        // What is left out holds its default, and so does what is missing.
        Some((name.clone(), from_gob(ty, value?, structs)))
    });
    let fields = fields.collect();
    structs.pop();
    Loose::Fields(fields)
}

fn from_json(value: JsonValue) -> Loose {
    match value {
        JsonValue::Null => Loose::Nothing,
        JsonValue::Bool(value) => Loose::Bool(value),
        JsonValue::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), ..) => Loose::Int(value),
            (None, Some(value), _) => Loose::Uint(value),
            (None, None, Some(value)) => Loose::Float(value),
            (None, None, None) => Loose::Unknown("a number without a value"),
        },
        JsonValue::String(value) => Loose::JsonText(value),
        JsonValue::Array(list) => Loose::List(list.into_iter().map(from_json).collect()),
        JsonValue::Object(fields) => {
            Loose::Fields(fields.into_iter().map(|(name, value)| (name, from_json(value))).collect())
        }
    }
}

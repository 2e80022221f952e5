//! What a protobuf message says, as Go has it: numbers, texts, lists, maps, structs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gobwire::{Describer, Encode, Error as GobError, Result as GobResult, ValueEncoder, ids, names};
use jackfield_core::codec::{DecodeError, RawField, Reader, Value};
use jackfield_core::schema::{Kind, MessageType, Shape, TypeName};
use jackfield_core::{Bytes, Field};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use super::go_name::{go_name, kept_go_name};

/// A value, and as much of its type as an empty one needs.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Bool(bool),
    Bytes(Bytes),
    Float(f64),
    Int(i64),
    List(Kind, Vec<Self>),
    Map(Kind, Kind, Vec<(Self, Self)>),
    Struct(Kind, Vec<Option<Self>>),
    Text(String),
    Uint(u64),
}

impl Item {
    /// What stands for a field that is absent; `None` if nothing does.
    pub(super) fn default_of(shape: Shape) -> Option<Self> {
        Some(match shape {
            Shape::Interface(_) => Self::Uint(0),
            Shape::Map(key, value) => Self::Map(key, value, Vec::new()),
            Shape::Repeated(kind) => Self::List(kind, Vec::new()),
            Shape::Singular(kind) => match kind {
                Kind::Bool => Self::Bool(false),
                Kind::Bytes => Self::Bytes(Bytes::new()),
                Kind::Double | Kind::Float => Self::Float(0.0),
                Kind::Enum(_) | Kind::Int32 | Kind::Int64 => Self::Int(0),
                Kind::Message(ty) => Self::Struct(kind, vec![None; ty.get().fields.len()]),
                Kind::String => Self::Text(String::new()),
                Kind::Uint32 | Kind::Uint64 => Self::Uint(0),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn read(kind: Kind, raw: &RawField<'_>, message: &Bytes, depth: u32) -> Result<Self, DecodeError> {
        Ok(match kind {
            Kind::Bool => Self::Bool(decode::<bool>(raw, message)?),
            Kind::Double => Self::Float(decode::<f64>(raw, message)?),
            Kind::Enum(_) | Kind::Int32 => Self::Int(decode::<i32>(raw, message)?.into()),
            Kind::Float => Self::Float(decode::<f32>(raw, message)?.into()),
            Kind::Int64 => Self::Int(decode::<i64>(raw, message)?),
            Kind::Message(ty) => {
                let content = decode::<Bytes>(raw, message)?;
                Self::Struct(kind, read_fields(ty.get().fields, &content, depth + 1)?)
            }
            Kind::String => Self::Text(decode::<String>(raw, message)?),
            Kind::Uint32 => Self::Uint(decode::<u32>(raw, message)?.into()),
            Kind::Uint64 => Self::Uint(decode::<u64>(raw, message)?),
            _ => Self::Bytes(decode::<Bytes>(raw, message)?),
        })
    }

    /// The name of its type as Go registers it, if it does so by itself.
    fn registered_name(&self, shape: Shape) -> Option<&'static str> {
        match shape {
            Shape::Interface(_) => Some("uint32"),
            Shape::Optional(kind) | Shape::Singular(kind) => scalar_name(kind),
            Shape::Repeated(kind) => list_name(kind),
            _ => None,
        }
    }

    /// Writes it as what an `interface{}` holds.
    pub(super) fn encode_dynamic(&self, field: &Field, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        let name = self.registered_name(field.shape).ok_or_else(|| {
            let words = "cannot stand in a map of arguments: Go would have to register its type";
            GobError::Encode(format!("`{}` {words}", field.name))
        })?;
        encoder.interface(Some((name, self)))
    }
}

/// Reads the fields of a message; those that are absent are `None`.
pub(super) fn read_fields(
    fields: &'static [Field],
    message: &Bytes,
    depth: u32,
) -> Result<Vec<Option<Item>>, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
    }
    let mut items = vec![None; fields.len()];
    let mut reader = Reader::new(message);
    while let Some(raw) = reader.next_field()? {
        if let Some(index) = fields.iter().position(|field| field.number == raw.number) {
            read_field(&mut items[index], fields[index].shape, &raw, message, depth)?;
        }
    }
    Ok(items)
}

fn read_field(
    item: &mut Option<Item>,
    shape: Shape,
    raw: &RawField<'_>,
    message: &Bytes,
    depth: u32,
) -> Result<(), DecodeError> {
    match shape {
        Shape::Interface(_) => *item = Some(Item::read(Kind::Uint32, raw, message, depth)?),
        Shape::Map(key, value) => {
            let Item::Map(.., entries) = item.get_or_insert(Item::Map(key, value, vec![])) else {
                return Ok(());
            };
            entries.push(read_entry(key, value, &decode::<Bytes>(raw, message)?, depth + 1)?);
        }
        Shape::Repeated(kind) => {
            let Item::List(_, items) = item.get_or_insert(Item::List(kind, vec![])) else {
                return Ok(());
            };
            read_some(items, kind, raw, message, depth)?;
        }
        Shape::Optional(kind) | Shape::Singular(kind) => {
            *item = Some(Item::read(kind, raw, message, depth)?);
        }
        // Refused when the plugin was loaded or served.
        _ => {}
    }
    Ok(())
}

/// Numbers stand together in one field, others in a field each.
fn read_some(
    items: &mut Vec<Item>,
    kind: Kind,
    raw: &RawField<'_>,
    message: &Bytes,
    depth: u32,
) -> Result<(), DecodeError> {
    match kind {
        Kind::Bool => items.extend(decode::<Vec<bool>>(raw, message)?.into_iter().map(Item::Bool)),
        Kind::Double => items.extend(decode::<Vec<f64>>(raw, message)?.into_iter().map(Item::Float)),
        Kind::Enum(_) | Kind::Int32 => {
            items
                .extend(decode::<Vec<i32>>(raw, message)?.into_iter().map(|number| Item::Int(number.into())));
        }
        Kind::Float => {
            items.extend(
                decode::<Vec<f32>>(raw, message)?.into_iter().map(|number| Item::Float(number.into())),
            );
        }
        Kind::Int64 => items.extend(decode::<Vec<i64>>(raw, message)?.into_iter().map(Item::Int)),
        Kind::Uint32 => {
            items.extend(
                decode::<Vec<u32>>(raw, message)?.into_iter().map(|number| Item::Uint(number.into())),
            );
        }
        Kind::Uint64 => items.extend(decode::<Vec<u64>>(raw, message)?.into_iter().map(Item::Uint)),
        kind => items.push(Item::read(kind, raw, message, depth)?),
    }
    Ok(())
}

fn read_entry(key: Kind, value: Kind, message: &Bytes, depth: u32) -> Result<(Item, Item), DecodeError> {
    let missing = DecodeError::Missing { number: 2 };
    let mut entry = [(key, None), (value, None)];
    let mut reader = Reader::new(message);
    while let Some(raw) = reader.next_field()? {
        if let Some((kind, item)) = entry.get_mut((raw.number - 1) as usize) {
            *item = Some(Item::read(*kind, &raw, message, depth)?);
        }
    }
    let [key, value] = entry.map(|(kind, item)| item.or_else(|| Item::default_of(Shape::Singular(kind))));
    key.zip(value).ok_or(missing)
}

fn decode<T: Value + Default>(raw: &RawField<'_>, message: &Bytes) -> Result<T, DecodeError> {
    let mut value = None;
    T::merge(&mut value, raw, message)?;
    Ok(value.unwrap_or_default())
}

/// The gob type of a field.
pub(super) fn describe_shape(shape: Shape, describer: &mut Describer<'_>) -> GobResult<i64> {
    match shape {
        Shape::Map(key, value) => {
            let (key, value) = (describe_kind(key, describer)?, describe_kind(value, describer)?);
            Ok(describer.map(format!("map[{key}]{value}"), key, value))
        }
        Shape::Optional(kind) | Shape::Singular(kind) => describe_kind(kind, describer),
        Shape::Repeated(kind) => {
            let element = describe_kind(kind, describer)?;
            Ok(describer.slice(format!("[]{element}"), element))
        }
        // The number of an object; others are refused when the plugin is loaded or served.
        _ => Ok(ids::UINT),
    }
}

fn describe_kind(kind: Kind, describer: &mut Describer<'_>) -> GobResult<i64> {
    Ok(match kind {
        Kind::Bool => ids::BOOL,
        Kind::Double | Kind::Float => ids::FLOAT,
        Kind::Enum(_) | Kind::Int32 | Kind::Int64 => ids::INT,
        Kind::Message(ty) => return describe_struct(ty.get(), describer),
        Kind::String => ids::STRING,
        Kind::Uint32 | Kind::Uint64 => ids::UINT,
        _ => ids::BYTES,
    })
}

fn describe_struct(ty: &'static MessageType, describer: &mut Describer<'_>) -> GobResult<i64> {
    let fields = |describer: &mut Describer<'_>| describe_fields(ty.fields, describer);
    match ty.name {
        TypeName::Named(name) => describer.structure(ty.path, name, fields),
        TypeName::Tuple => describer.structure(format!("{ty:p}"), "", fields),
    }
}

/// The fields of a struct of Go's.
pub(super) fn describe_fields(
    fields: &'static [Field],
    describer: &mut Describer<'_>,
) -> GobResult<Vec<(&'static str, i64)>> {
    let describe = |field: &Field| Ok((kept_go_name(field.name), describe_shape(field.shape, describer)?));
    fields.iter().map(describe).collect()
}

/// Writes the fields of a struct. A default is left out, save where nothing would mean something else.
pub(super) fn encode_fields(
    fields: &[Field],
    items: &[Option<Item>],
    encoder: &mut ValueEncoder<'_>,
) -> GobResult<()> {
    let mut structure = encoder.structure();
    for (index, (field, item)) in (0..).zip(fields.iter().zip(items)) {
        match (item, field.shape) {
            (None, _) => {}
            (Some(item), Shape::Optional(_)) => structure.field(index, &Present(item))?,
            (Some(item), _) => structure.field(index, item)?,
        }
    }
    structure.end();
    Ok(())
}

impl Encode for Item {
    fn describe_value(&self, describer: &mut Describer<'_>) -> GobResult<i64> {
        match self {
            Self::Bool(_) => Ok(ids::BOOL),
            Self::Bytes(_) => Ok(ids::BYTES),
            Self::Float(_) => Ok(ids::FLOAT),
            Self::Int(_) => Ok(ids::INT),
            Self::List(kind, _) => describe_shape(Shape::Repeated(*kind), describer),
            Self::Map(key, value, _) => describe_shape(Shape::Map(*key, *value), describer),
            Self::Struct(kind, _) => describe_kind(*kind, describer),
            Self::Text(_) => Ok(ids::STRING),
            Self::Uint(_) => Ok(ids::UINT),
        }
    }

    fn is_zero(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Bytes(value) => value.is_empty(),
            Self::Float(value) => value.to_bits() == 0,
            Self::Int(value) => *value == 0,
            Self::List(_, items) => items.is_empty(),
            Self::Map(.., entries) => entries.is_empty(),
            Self::Struct(..) => false,
            Self::Text(value) => value.is_empty(),
            Self::Uint(value) => *value == 0,
        }
    }

    fn frames_as_struct(&self) -> bool {
        matches!(self, Self::Struct(..))
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        match self {
            Self::Bool(value) => encoder.bool(*value),
            Self::Bytes(value) => encoder.bytes(value),
            Self::Float(value) => encoder.float(*value),
            Self::Int(value) => encoder.int(*value),
            Self::List(_, items) => {
                encoder.uint(items.len() as u64);
                items.iter().try_for_each(|item| item.encode(encoder))?;
            }
            Self::Map(.., entries) => {
                encoder.uint(entries.len() as u64);
                for (key, value) in entries {
                    key.encode(encoder)?;
                    value.encode(encoder)?;
                }
            }
            Self::Struct(kind, items) => encode_fields(fields_of(*kind), items, encoder)?,
            Self::Text(value) => encoder.bytes(value.as_bytes()),
            Self::Uint(value) => encoder.uint(*value),
        }
        Ok(())
    }
}

/// A value that is sent even if it is its type's default. Go itself would leave it out, but reads it.
struct Present<'a>(&'a Item);

impl Encode for Present<'_> {
    fn describe_value(&self, describer: &mut Describer<'_>) -> GobResult<i64> {
        self.0.describe_value(describer)
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn encode(&self, encoder: &mut ValueEncoder<'_>) -> GobResult<()> {
        self.0.encode(encoder)
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            // As Go has bytes in JSON.
            Self::Bytes(value) => serializer.serialize_str(&STANDARD.encode(value)),
            Self::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Float(value) => Err(S::Error::custom(format!("JSON has no number for `{value}`"))),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::List(_, items) => serializer.collect_seq(items),
            Self::Map(.., entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key.to_key(), value)))
            }
            Self::Struct(kind, items) => serialize_fields(fields_of(*kind), items, go_name, serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Uint(value) => serializer.serialize_u64(*value),
        }
    }
}

impl Item {
    /// The key of an object of JSON, which is a text.
    fn to_key(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Text(value) => value.clone(),
            Self::Uint(value) => value.to_string(),
            _ => String::new(),
        }
    }
}

/// Writes fields as an object of JSON: for the sake of scripts, with those that hold their default.
pub(super) fn serialize_fields<S: Serializer>(
    fields: &'static [Field],
    items: &[Option<Item>],
    name: impl Fn(&str) -> String,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(fields.len()))?;
    for (field, item) in fields.iter().zip(items) {
        match item {
            Some(item) => object.serialize_entry(&name(field.name), item)?,
            None => object.serialize_entry(&name(field.name), &Item::default_of(field.shape))?,
        }
    }
    object.end()
}

fn fields_of(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Message(ty) => ty.get().fields,
        _ => &[],
    }
}

fn scalar_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Bool => names::BOOL,
        Kind::Bytes => names::BYTES,
        Kind::Double => names::FLOAT64,
        Kind::Float => "float32",
        Kind::Int32 => "int32",
        Kind::Int64 => names::INT64,
        Kind::String => names::STRING,
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        _ => return None,
    })
}

fn list_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Bool => "[]bool",
        Kind::Double => "[]float64",
        Kind::Float => "[]float32",
        Kind::Int32 => "[]int32",
        Kind::Int64 => "[]int64",
        Kind::String => names::STRINGS,
        Kind::Uint32 => "[]uint32",
        Kind::Uint64 => "[]uint64",
        _ => return None,
    })
}

/// How deep messages may be nested, as in protobuf's own libraries.
const MAX_DEPTH: u32 = 100;

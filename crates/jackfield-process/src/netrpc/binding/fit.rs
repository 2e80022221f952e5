//! Fits a value that came to the fields of a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_core::codec::Value as _;
use jackfield_core::schema::{Kind, Shape};
use jackfield_core::{Bytes, Field, Method, Schema};

use super::go_name::go_name;
use super::loose::Loose;

/// An interface has something that net/rpc cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "net/rpc cannot carry `{what}`, which the method `{method}` of `{service}` has\n(hint: serve it over gRPC)"
)]
pub struct Unfit {
    service: &'static str,
    method: &'static str,
    what: &'static str,
}

/// Refuses an interface that has something net/rpc cannot carry.
pub(crate) fn check(schema: &'static Schema) -> Result<(), Unfit> {
    for method in schema.methods {
        let fields = method.arguments.iter().chain(method.result);
        if let Some(field) = fields.clone().find(|field| !can_carry(field)) {
            return Err(Unfit { service: schema.service, method: method.name, what: field.name });
        }
    }
    Ok(())
}

fn can_carry(field: &Field) -> bool {
    !field.is_stream && matches!(field.shape, Shape::Singular(kind) if name(kind).is_some())
}

/// The type of a field of an interface that can be carried.
pub(super) fn kind(field: &Field) -> Kind {
    match field.shape {
        Shape::Singular(kind) => kind,
        // Refused when the plugin was loaded or served.
        _ => Kind::Bytes,
    }
}

/// What a type is called in messages to people; `None` for those that are not carried.
fn name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Bool => "bool",
        Kind::Bytes => "bytes",
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::String => "string",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        _ => return None,
    })
}

/// A request from the arguments that came: one by itself, several as a struct or a map.
pub(super) fn request(method: &'static Method, argument: Loose) -> Result<Bytes, String> {
    let mut message = Vec::new();
    match (method.arguments, argument) {
        ([], _) => {}
        ([field], argument) => fit(field, argument, &mut message)?,
        (fields, Loose::Fields(given)) => {
            for (name, value) in given {
                let is_meant = |field: &&Field| name == field.name || name == go_name(field.name);
                if let Some(field) = fields.iter().find(is_meant) {
                    fit(field, value, &mut message)?;
                }
            }
        }
        (_, other) => {
            return Err(format!("expected a struct or a map of arguments, found {}", describe(&other)));
        }
    }
    Ok(message.into())
}

/// A response from the result that came.
pub(super) fn response(method: &'static Method, result: Loose) -> Result<Bytes, String> {
    let mut message = Vec::new();
    if let [field, ..] = method.result {
        fit(field, result, &mut message)?;
    }
    Ok(message.into())
}

/// Appends a value as a field.
fn fit(field: &Field, value: Loose, message: &mut Vec<u8>) -> Result<(), String> {
    let number = field.number;
    match (kind(field), value) {
        // Go's nil, and JSON's null, are defaults.
        (_, Loose::Nothing) => {}
        (Kind::Bool, Loose::Bool(value)) => value.encode(number, message),
        (Kind::Bytes, Loose::Bytes(value)) => value.encode(number, message),
        (Kind::Bytes, Loose::Text(value)) => value.into_bytes().encode(number, message),
        (Kind::Bytes, Loose::JsonText(value)) => {
            let bytes =
                STANDARD.decode(value).map_err(|error| format!("`{}` is no base64: {error}", field.name))?;
            bytes.encode(number, message);
        }
        (Kind::Double, Loose::Float(value)) => value.encode(number, message),
        (Kind::Double, Loose::Int(value)) => (value as f64).encode(number, message),
        (Kind::Float, Loose::Float(value)) => (value as f32).encode(number, message),
        (Kind::Float, Loose::Int(value)) => (value as f32).encode(number, message),
        (Kind::Int32, value) => integer::<i32>(field, &value)?.encode(number, message),
        (Kind::Int64, value) => integer::<i64>(field, &value)?.encode(number, message),
        (Kind::Uint32, value) => integer::<u32>(field, &value)?.encode(number, message),
        (Kind::Uint64, value) => integer::<u64>(field, &value)?.encode(number, message),
        (Kind::String, Loose::Text(value) | Loose::JsonText(value)) => value.encode(number, message),
        (_, other) => return Err(mismatch(field, &other)),
    }
    Ok(())
}

/// Go tells signed integers from unsigned ones, but its programs are careless about which they use.
fn integer<T: TryFrom<i64> + TryFrom<u64>>(field: &Field, value: &Loose) -> Result<T, String> {
    let fitting = match value {
        Loose::Int(value) => T::try_from(*value).ok(),
        Loose::Uint(value) => T::try_from(*value).ok(),
        _ => return Err(mismatch(field, value)),
    };
    fitting.ok_or_else(|| format!("`{}` does not fit a `{}`", field.name, type_name(field)))
}

fn mismatch(field: &Field, found: &Loose) -> String {
    format!("expected a `{}` for `{}`, found {}", type_name(field), field.name, describe(found))
}

fn type_name(field: &Field) -> &'static str {
    name(kind(field)).unwrap_or("value")
}

fn describe(value: &Loose) -> &'static str {
    match value {
        Loose::Bool(_) => "a truth value",
        Loose::Bytes(_) => "bytes",
        Loose::Fields(_) => "a struct or a map",
        Loose::Float(_) => "a floating-point number",
        Loose::Int(_) | Loose::Uint(_) => "an integer",
        Loose::JsonText(_) | Loose::Text(_) => "a text",
        Loose::List(_) => "a list",
        Loose::Nothing => "nothing",
        Loose::Unknown(what) => what,
    }
}

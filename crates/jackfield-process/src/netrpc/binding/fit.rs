//! Fits a value that came to the fields of a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jackfield_core::codec::Singular;
use jackfield_core::schema::{Kind, Shape};
use jackfield_core::{Bytes, Field, Method};

use super::go_name::means;
use super::loose::Loose;
use super::outgoing::is_optional;

/// A request from the arguments that came: one by itself, several as a struct or a map.
pub(super) fn request(method: &'static Method, argument: Loose) -> Result<Bytes, String> {
    fit_all(method.arguments, argument, "expected a struct or a map of arguments")
}

/// A response from the result that came.
pub(super) fn response(method: &'static Method, result: Loose) -> Result<Bytes, String> {
    fit_all(method.result, result, "expected a struct with a result")
}

fn fit_all(fields: &[Field], came: Loose, expected: &str) -> Result<Bytes, String> {
    let mut message = Vec::new();
    match (fields, came) {
        ([], _) => {}
        ([field], Loose::Fields(given)) if is_optional(field) => fit_fields(fields, given, &mut message)?,
        ([field], came) => fit(field, came, &mut message)?,
        (fields, Loose::Fields(given)) => fit_fields(fields, given, &mut message)?,
        (_, other) => return Err(format!("{expected}, found {}", describe(&other))),
    }
    Ok(message.into())
}

/// Appends those of the fields that were given. What nobody knows is passed over, as Go does.
fn fit_fields(fields: &[Field], given: Vec<(String, Loose)>, message: &mut Vec<u8>) -> Result<(), String> {
    for (name, value) in given {
        if let Some(field) = fields.iter().find(|field| means(&name, field.name)) {
            fit(field, value, message)?;
        }
    }
    Ok(())
}

/// Appends a value as a field.
fn fit(field: &Field, value: Loose, message: &mut Vec<u8>) -> Result<(), String> {
    let place = Place { field, number: field.number };
    match (field.shape, value) {
        // Go's nil, and JSON's null, are defaults.
        (_, Loose::Nothing) => Ok(()),
        (Shape::Interface(_), value) => place.put(Kind::Uint32, value, message),
        (Shape::Optional(kind) | Shape::Singular(kind), value) => place.put(kind, value, message),
        (Shape::Repeated(kind), Loose::List(list)) => {
            list.into_iter().try_for_each(|value| place.put_always(kind, value, message))
        }
        (Shape::Map(key, value), Loose::Fields(entries)) => entries
            .into_iter()
            .map(|(name, content)| (Loose::Key(name), content))
            .try_for_each(|entry| place.put_entry((key, value), entry, message)),
        (Shape::Map(key, value), Loose::Pairs(entries)) => {
            entries.into_iter().try_for_each(|entry| place.put_entry((key, value), entry, message))
        }
        (_, other) => Err(mismatch(field, expected_of(field.shape), &other)),
    }
}

/// Where a value goes: a field of a message, or what is inside of it.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// What it is called in messages to people.
    field: &'a Field,
    number: u32,
}

impl Place<'_> {
    /// Appends a value; what is nil is the default of its type.
    fn put_always(self, kind: Kind, value: Loose, message: &mut Vec<u8>) -> Result<(), String> {
        let value = match (value, kind) {
            (Loose::Nothing, Kind::Bool) => Loose::Bool(false),
            (Loose::Nothing, Kind::Bytes | Kind::String) => Loose::Text(String::new()),
            (Loose::Nothing, Kind::Message(_)) => Loose::Fields(Vec::new()),
            (Loose::Nothing, _) => Loose::Int(0),
            (value, _) => value,
        };
        self.put(kind, value, message)
    }

    fn put_entry(
        self,
        (key, value): (Kind, Kind),
        (name, content): (Loose, Loose),
        message: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut entry = Vec::new();
        Self { number: 1, ..self }.put_always(key, name, &mut entry)?;
        Self { number: 2, ..self }.put_always(value, content, &mut entry)?;
        // A message inside of another looks like bytes.
        entry.encode_always(self.number, message);
        Ok(())
    }

    fn put(self, kind: Kind, value: Loose, message: &mut Vec<u8>) -> Result<(), String> {
        let number = self.number;
        match (kind, value) {
            (Kind::Bool, Loose::Bool(value)) => value.encode_always(number, message),
            (Kind::Bool, Loose::Key(text)) => self.parse::<bool>(kind, &text)?.encode_always(number, message),
            (Kind::Bytes, Loose::Bytes(value)) => value.encode_always(number, message),
            (Kind::Bytes, Loose::Text(value)) => value.into_bytes().encode_always(number, message),
            (Kind::Bytes, Loose::JsonText(value)) => {
                let name = self.field.name;
                let bytes =
                    STANDARD.decode(value).map_err(|error| format!("`{name}` is no base64: {error}"))?;
                bytes.encode_always(number, message);
            }
            (Kind::Double, Loose::Float(value)) => value.encode_always(number, message),
            (Kind::Double, Loose::Int(value)) => (value as f64).encode_always(number, message),
            (Kind::Double, Loose::Uint(value)) => (value as f64).encode_always(number, message),
            (Kind::Float, Loose::Float(value)) => (value as f32).encode_always(number, message),
            (Kind::Float, Loose::Int(value)) => (value as f32).encode_always(number, message),
            (Kind::Float, Loose::Uint(value)) => (value as f32).encode_always(number, message),
            (Kind::Enum(_) | Kind::Int32, value) => {
                self.integer::<i32>(kind, &value)?.encode_always(number, message);
            }
            (Kind::Int64, value) => self.integer::<i64>(kind, &value)?.encode_always(number, message),
            (Kind::Message(ty), Loose::Fields(given)) => {
                let mut content = Vec::new();
                fit_fields(ty.get().fields, given, &mut content)?;
                content.encode_always(number, message);
            }
            (Kind::Uint32, value) => self.integer::<u32>(kind, &value)?.encode_always(number, message),
            (Kind::Uint64, value) => self.integer::<u64>(kind, &value)?.encode_always(number, message),
            (Kind::String, Loose::Text(value) | Loose::JsonText(value) | Loose::Key(value)) => {
                value.encode_always(number, message);
            }
            (kind, other) => return Err(mismatch(self.field, name(kind), &other)),
        }
        Ok(())
    }

    /// Go tells signed integers from unsigned ones, but its programs are careless about which they use.
    fn integer<T>(self, kind: Kind, value: &Loose) -> Result<T, String>
    where
        T: TryFrom<i64> + TryFrom<u64> + std::str::FromStr,
    {
        let fitting = match value {
            Loose::Int(value) => T::try_from(*value).ok(),
            Loose::Key(text) => return self.parse(kind, text),
            Loose::Uint(value) => T::try_from(*value).ok(),
            _ => return Err(mismatch(self.field, name(kind), value)),
        };
        fitting.ok_or_else(|| self.range(kind))
    }

    /// The keys of an object of JSON are texts, whatever they mean.
    fn parse<T: std::str::FromStr>(self, kind: Kind, text: &str) -> Result<T, String> {
        text.parse().map_err(|_| self.range(kind))
    }

    fn range(self, kind: Kind) -> String {
        format!("`{}` does not fit a `{}`", self.field.name, name(kind))
    }
}

fn mismatch(field: &Field, expected: &str, found: &Loose) -> String {
    format!("expected a `{expected}` for `{}`, found {}", field.name, describe(found))
}

fn expected_of(shape: Shape) -> &'static str {
    match shape {
        Shape::Map(..) => "map",
        Shape::Repeated(_) => "list",
        Shape::Optional(kind) | Shape::Singular(kind) => name(kind),
        _ => "value",
    }
}

/// What a type is called in messages to people.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Bytes => "bytes",
        Kind::Double => "double",
        Kind::Enum(ty) => ty.get().name,
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Message(_) => "struct",
        Kind::String => "string",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        _ => "value",
    }
}

fn describe(value: &Loose) -> &'static str {
    match value {
        Loose::Bool(_) => "a truth value",
        Loose::Bytes(_) => "bytes",
        Loose::Fields(_) => "a struct or a map",
        Loose::Float(_) => "a floating-point number",
        Loose::Int(_) | Loose::Uint(_) => "an integer",
        Loose::JsonText(_) | Loose::Key(_) | Loose::Text(_) => "a text",
        Loose::List(_) => "a list",
        Loose::Nothing => "nothing",
        Loose::Pairs(_) => "a map whose keys are no texts",
        Loose::Unknown(what) => what,
    }
}

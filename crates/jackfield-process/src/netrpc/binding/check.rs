//! Says what of an interface net/rpc cannot carry.

use std::borrow::Cow;

use jackfield_core::schema::{Kind, MessageType, Shape, TypeName, Untyped};
use jackfield_core::{Description, Field, LoadErrorKind, Method};

/// A method of an interface has something that net/rpc cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("net/rpc cannot carry {what}, which the method `{method}` of `{service}` has\n(hint: {hint})")]
pub struct Unfit {
    service: &'static str,
    method: &'static str,
    what: String,
    hint: Cow<'static, str>,
}

/// Whether objects can be carried: each needs a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// A broker makes streams.
    Brokered,
    /// There are no more than the two directions.
    Single,
}

/// What is done with an interface that has something net/rpc cannot carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Misfits {
    /// The methods concerned are taken as ones that the plugin lacks.
    Lacking,
    /// The interface is refused, unless the methods concerned may be lacking.
    #[default]
    Refused,
}

impl Misfits {
    /// Refuses an interface whose required methods, or those of the objects that they pass, cannot be carried.
    pub(crate) fn check(self, interface: Description, carrier: Carrier) -> Result<(), Unfit> {
        if self == Self::Lacking {
            return Ok(());
        }
        let (mut schemas, mut checked) = (vec![interface.schema()], 0);
        while let Some(schema) = schemas.get(checked).copied() {
            checked += 1;
            for method in schema.methods {
                let typed = match typed(interface, method, carrier) {
                    Err(unfit) if !method.is_optional => return Err(unfit.refused()),
                    Err(_) => continue,
                    Ok(typed) => typed,
                };
                for ty in fields(typed).filter_map(Field::object_type) {
                    if !schemas.iter().any(|other| other.service == ty.schema().service) {
                        schemas.push(ty.schema());
                    }
                }
            }
        }
        Ok(())
    }
}

/// A method as it is carried, with the types of its fields.
pub(super) fn typed(
    interface: Description,
    method: &'static Method,
    carrier: Carrier,
) -> Result<&'static Method, Unfit> {
    match interface.typed(method) {
        // What was read at run time has neither objects nor enums with data.
        Ok(typed) if interface.descriptor().is_some() => Ok(typed),
        Ok(typed) => unfit(typed, carrier).map_or(Ok(typed), Err),
        Err(untyped) => Err(Unfit::new(method, untyped.to_string(), hint(&untyped, carrier))),
    }
}

fn hint(untyped: &Untyped, carrier: Carrier) -> &'static str {
    match untyped {
        Untyped::Kind { .. } => "describe it as a type that Go has, such as an `int64` or a `double`",
        Untyped::Object { .. } => "call it from a host that has the trait",
        _ => elsewhere(carrier),
    }
}

/// Why a method cannot be carried, if it cannot.
pub(super) fn unfit(method: &'static Method, carrier: Carrier) -> Option<Unfit> {
    let what = fields(method).find_map(|field| obstacle(field, carrier))?;
    Some(Unfit::new(method, what, elsewhere(carrier)))
}

/// What can carry more.
fn elsewhere(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Brokered => "serve it over gRPC",
        Carrier::Single => "make it a plugin with a handshake",
    }
}

impl Unfit {
    fn new(method: &'static Method, what: String, hint: &'static str) -> Self {
        // The path is `/service/method`.
        let service = method.path.split('/').nth(1).unwrap_or_default();
        Self { service, method: method.name, what, hint: hint.into() }
    }

    /// The same, where the whole interface is refused for it.
    fn refused(self) -> Self {
        let hint = format!("{}, or let it be lacking: `allow_lacking`", self.hint);
        Self { hint: hint.into(), ..self }
    }
}

fn fields(method: &'static Method) -> impl Iterator<Item = &'static Field> {
    method.arguments.iter().chain(method.result)
}

fn obstacle(field: &'static Field, carrier: Carrier) -> Option<String> {
    if field.is_stream {
        return Some(format!("the stream `{}`", field.name));
    }
    match (field.shape, carrier) {
        (Shape::Interface(_), Carrier::Single) => Some(format!("the object `{}`", field.name)),
        (shape, _) => enum_with_data(shape, &mut Vec::new()),
    }
}

/// Go has no type for an enum with data. `seen` are the types that are looked at already, since a type may contain
/// itself.
fn enum_with_data(shape: Shape, seen: &mut Vec<&'static MessageType>) -> Option<String> {
    let kind = match shape {
        Shape::Map(_, kind) | Shape::Optional(kind) | Shape::Repeated(kind) | Shape::Singular(kind) => kind,
        _ => return None,
    };
    let Kind::Message(ty) = kind else { return None };
    let ty = ty.get();
    if seen.iter().any(|other| std::ptr::eq(*other, ty)) {
        return None;
    }
    seen.push(ty);
    match ty.name {
        TypeName::Named(name) if ty.is_oneof => Some(format!("the enum with data `{name}`")),
        _ => ty.fields.iter().find_map(|field| enum_with_data(field.shape, seen)),
    }
}

/// An interface that is known, be it since it was read at run time: without one it is not known what is to be called.
pub(crate) fn known(interface: Description) -> Result<Description, LoadErrorKind> {
    if interface.is_any() { Err(LoadErrorKind::Silent) } else { Ok(interface) }
}

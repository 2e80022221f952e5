//! Whether a plugin may serve a host: the rules of protobuf evolution.
//!
//! A plugin may have more than the host asks for: methods, and fields of a message, which then hold their defaults. It
//! may not lack a method that has no default, nor a field that the host sends, nor one that it reads and cannot do without
//! (an option, a list and a map can be empty); and it may retype a field only where the encodings agree (<https://protobuf.dev/programming-guides/proto3/#updating>). So it goes on through all
//! types that the interface uses, and through the other interfaces whose objects it passes.

use std::collections::BTreeSet;
use std::fmt;

use super::descriptor::{FieldDescriptor, MessageDescriptor, MethodDescriptor, Streams};
use super::{Descriptor, EnumType, Field, Kind, Method, Schema, Shape};

/// Why a plugin cannot serve a host's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incompatibility {
    /// The plugin's message lacks a field.
    Field {
        /// The method.
        method: &'static str,
        /// The field, with the fields in which it lies.
        field: String,
        /// The field's number.
        number: u32,
    },
    /// The plugin would call a method that an object of the host's lacks.
    HostMethod {
        /// The interface.
        service: &'static str,
        /// The method.
        method: String,
    },
    /// The plugin lacks a method.
    Method {
        /// The interface.
        service: &'static str,
        /// The method.
        method: &'static str,
    },
    /// The plugin implements another interface.
    Service {
        /// What the host asked for.
        expected: &'static str,
        /// What the plugin has.
        found: String,
    },
    /// One side streams what the other sends once.
    Stream {
        /// The method.
        method: &'static str,
        /// What the host does.
        expected: &'static str,
        /// What the plugin does.
        found: &'static str,
    },
    /// A field has another type.
    Type {
        /// The method.
        method: &'static str,
        /// The field, with the fields in which it lies.
        field: String,
        /// The host's type.
        expected: String,
        /// The plugin's type.
        found: String,
    },
    /// The plugin's enum lacks a variant.
    Variant {
        /// The method.
        method: &'static str,
        /// The field, with the fields in which it lies.
        field: String,
        /// The variant.
        variant: &'static str,
    },
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { method, field, number } => {
                write!(f, "method `{method}`: the plugin lacks the field `{field}` (number {number})")
            }
            Self::HostMethod { service, method } => {
                write!(f, "the plugin calls the method `{method}` of `{service}`, which the host's lacks")
            }
            Self::Method { method, .. } => write!(f, "the plugin lacks the method `{method}`"),
            Self::Service { expected, found } => {
                write!(f, "expected the interface `{expected}`, found `{found}`")
            }
            Self::Stream { method, expected, found } => {
                write!(f, "method `{method}` has {expected} at the host, but {found} in the plugin")
            }
            Self::Type { method, field, expected, found } => {
                write!(
                    f,
                    "method `{method}`: field `{field}` is `{expected}` at the host, but `{found}` in the plugin"
                )
            }
            Self::Variant { method, field, variant } => {
                write!(
                    f,
                    "method `{method}`: the plugin's type of the field `{field}` lacks the variant `{variant}`"
                )
            }
        }
    }
}

impl std::error::Error for Incompatibility {}

impl Schema {
    /// Checks that a plugin with this description can serve a host that expects this schema.
    ///
    /// # Errors
    ///
    /// [`Incompatibility`] names the first method and field that stand in the way.
    pub fn check(&self, plugin: &Descriptor) -> Result<(), Incompatibility> {
        if plugin.service != self.service {
            let found = plugin.service.clone();
            return Err(Incompatibility::Service { expected: self.service, found });
        }
        Check { plugin, seen: BTreeSet::new() }.service(self, plugin, Direction::Response)
    }

    /// The methods that a plugin with this description lacks, and for which the trait has a default.
    pub fn lacking<'a>(&'a self, plugin: &'a Descriptor) -> impl Iterator<Item = &'static Method> + 'a {
        self.methods.iter().filter(|method| !plugin.methods.iter().any(|found| found.name == method.name))
    }
}

/// A comparison, with the pairs of types that were compared already: types may contain themselves.
struct Check<'a> {
    plugin: &'a Descriptor,
    seen: BTreeSet<(String, String, bool)>,
}

/// Where in an interface a field stands.
#[derive(Clone)]
struct Place {
    method: &'static str,
    direction: Direction,
    path: String,
}

/// Who sends a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The host.
    Request,
    /// The plugin.
    Response,
}

impl Place {
    fn field(&self, field: &Field) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{}{dot}{}", self.path, field.name), ..*self }
    }

    fn mismatch(&self, expected: String, found: String) -> Incompatibility {
        Incompatibility::Type { method: self.method, field: self.path.clone(), expected, found }
    }
}

impl Check<'_> {
    /// Compares an interface. Its objects are the plugin's where the plugin is asked for them, or the host's where they
    /// are among its requests.
    fn service(
        &mut self,
        schema: &Schema,
        plugin: &Descriptor,
        direction: Direction,
    ) -> Result<(), Incompatibility> {
        let is_request = direction == Direction::Request;
        if !self.seen.insert((schema.service.to_owned(), String::new(), is_request)) {
            return Ok(());
        }
        for method in schema.methods {
            let Some(found) = plugin.methods.iter().find(|found| found.name == method.name) else {
                if method.is_optional || direction == Direction::Request {
                    continue;
                }
                return Err(Incompatibility::Method { service: schema.service, method: method.name });
            };
            let (requests, responses) =
                (method.request_stream().is_some(), method.response_stream().is_some());
            let streams = Streams { requests, responses };
            if streams != found.streams {
                let (expected, found) = (describe_streams(streams), describe_streams(found.streams));
                return Err(Incompatibility::Stream { method: method.name, expected, found });
            }
            let sides = [
                (Direction::Request, method.arguments, &found.request),
                (Direction::Response, method.result, &found.response),
            ];
            for (direction, fields, message) in sides {
                let place = Place { method: method.name, direction, path: String::new() };
                if let Some(message) = self.plugin.message(message) {
                    self.fields(&place, fields, message)?;
                }
            }
        }
        Ok(())
    }

    fn fields(
        &mut self,
        place: &Place,
        host: &[Field],
        plugin: &MessageDescriptor,
    ) -> Result<(), Incompatibility> {
        for field in host {
            let place = place.field(field);
            let found = plugin.fields.iter().find(|found| found.number == field.number);
            let Some(found) = found else {
                if place.direction == Direction::Response && can_be_empty(field.shape) {
                    continue;
                }
                let (method, number) = (place.method, field.number);
                return Err(Incompatibility::Field { method, field: place.path, number });
            };
            self.field(&place, field.shape, found)?;
        }
        Ok(())
    }

    fn field(&mut self, place: &Place, host: Shape, plugin: &FieldDescriptor) -> Result<(), Incompatibility> {
        let entry = self.plugin.message(&plugin.type_name).filter(|message| message.is_entry);
        match (host, entry) {
            (Shape::Interface(object), _) => self.interface(place, object.schema(), plugin),
            (Shape::Map(key, value), Some(entry)) => {
                let entry = entry.clone();
                let kinds = [("key", key), ("value", value)];
                for ((name, kind), found) in kinds.into_iter().zip(&entry.fields) {
                    let place = Place { path: format!("{}.{name}", place.path), ..place.clone() };
                    self.kind(&place, kind, found)?;
                }
                Ok(())
            }
            (Shape::Map(..), None) | (_, Some(_)) => Err(place.mismatch(host.to_string(), describe(plugin))),
            (Shape::Repeated(kind), None) if plugin.is_repeated => self.kind(place, kind, plugin),
            (Shape::Repeated(_), None) => Err(place.mismatch(host.to_string(), describe(plugin))),
            (Shape::Optional(_) | Shape::Singular(_), None) if plugin.is_repeated => {
                Err(place.mismatch(host.to_string(), describe(plugin)))
            }
            (Shape::Optional(kind) | Shape::Singular(kind), None) => self.kind(place, kind, plugin),
        }
    }

    fn interface(
        &mut self,
        place: &Place,
        schema: &'static Schema,
        plugin: &FieldDescriptor,
    ) -> Result<(), Incompatibility> {
        // A peer in another language describes an object as the number that it is on the wire.
        if plugin.interface.is_empty() && class(plugin.kind) == VARINT && !plugin.is_repeated {
            return Ok(());
        }
        if plugin.interface != schema.service {
            return Err(place.mismatch(format!("an object of {}", schema.service), describe(plugin)));
        }
        let others = [self.plugin].into_iter().chain(&self.plugin.others);
        match others.into_iter().find(|other| other.service == schema.service) {
            None => Ok(()),
            Some(other) if place.direction == Direction::Response => {
                self.service(schema, other, Direction::Response)
            }
            // The host gives this object, so that it is the plugin who calls it.
            Some(other) => {
                let lacks = |method: &&MethodDescriptor| {
                    !method.is_optional && !schema.methods.iter().any(|own| own.name == method.name)
                };
                match other.methods.iter().find(lacks) {
                    Some(method) => {
                        let (service, method) = (schema.service, method.name.clone());
                        Err(Incompatibility::HostMethod { service, method })
                    }
                    None => self.service(schema, other, Direction::Request),
                }
            }
        }
    }

    fn kind(&mut self, place: &Place, host: Kind, plugin: &FieldDescriptor) -> Result<(), Incompatibility> {
        if class(host.number()) != class(plugin.kind) {
            return Err(place.mismatch(Shape::Singular(host).to_string(), describe(plugin)));
        }
        match host {
            Kind::Enum(ty) => self.variants(place, ty.get(), plugin),
            Kind::Message(ty) => {
                let is_request = place.direction == Direction::Request;
                let names = (Shape::Singular(host).to_string(), plugin.type_name.clone(), is_request);
                let Some(message) = self.plugin.message(&plugin.type_name) else { return Ok(()) };
                if !self.seen.insert(names) {
                    return Ok(());
                }
                self.fields(place, ty.fields, &message.clone())
            }
            _ => Ok(()),
        }
    }

    fn variants(
        &self,
        place: &Place,
        host: &'static EnumType,
        plugin: &FieldDescriptor,
    ) -> Result<(), Incompatibility> {
        let Some(found) = self.plugin.enums.get(&plugin.type_name) else { return Ok(()) };
        let mut variants = host.variants.iter();
        match variants.find(|variant| !found.variants.contains_key(&variant.number)) {
            Some(variant) => Err(Incompatibility::Variant {
                method: place.method,
                field: place.path.clone(),
                variant: variant.name,
            }),
            None => Ok(()),
        }
    }
}

/// Whether a field that never comes is a value like any other.
fn can_be_empty(shape: Shape) -> bool {
    matches!(shape, Shape::Map(..) | Shape::Optional(_) | Shape::Repeated(_))
}

fn describe_streams(streams: Streams) -> &'static str {
    match (streams.requests, streams.responses) {
        (false, false) => "no stream",
        (true, false) => "a stream of requests",
        (false, true) => "a stream of responses",
        (true, true) => "streams in both directions",
    }
}

/// The plugin's type of a field, for people.
fn describe(field: &FieldDescriptor) -> String {
    let name = match (&field.interface, &field.type_name) {
        (interface, _) if !interface.is_empty() => format!("an object of {interface}"),
        (_, name) if !name.is_empty() => name.clone(),
        _ => type_name(field.kind).to_owned(),
    };
    if field.is_repeated { format!("repeated {name}") } else { name }
}

/// Types of one class read each other's encoding: a varint that does not fit is an error of its call, and a text is bytes.
fn class(kind: u32) -> u32 {
    match kind {
        // bool, int32, int64, uint32, uint64 and enum.
        3 | 4 | 5 | 8 | 13 | 14 => VARINT,
        // string and bytes.
        9 => 12,
        other => other,
    }
}

const VARINT: u32 = 3;

/// Protobuf's name of a type, by its number.
fn type_name(kind: u32) -> &'static str {
    const NAMES: [&str; 19] = [
        "an unknown type",
        "double",
        "float",
        "int64",
        "uint64",
        "int32",
        "fixed64",
        "fixed32",
        "bool",
        "string",
        "group",
        "message",
        "bytes",
        "uint32",
        "enum",
        "sfixed32",
        "sfixed64",
        "sint32",
        "sint64",
    ];
    NAMES.get(kind as usize).copied().unwrap_or(NAMES[0])
}

#[cfg(test)]
mod tests {
    use jackfield_abi::StaticRef;

    use super::super::{MessageType, Mode, ObjectType, TypeName, Variant};
    use super::*;

    fn schema(arguments: &'static [Field]) -> &'static Schema {
        let method = Method {
            name: "Put",
            path: "/proto.KV/Put",
            mode: Mode::Async,
            arguments,
            result: &[],
            is_optional: false,
        };
        leak(Schema { service: "proto.KV", version: "1.0", methods: std::slice::from_ref(leak(method)) })
    }

    fn leak<T>(value: T) -> &'static T {
        Box::leak(Box::new(value))
    }

    fn check(host: &'static [Field], plugin: &'static [Field]) -> Result<(), String> {
        let plugin = Descriptor::parse(&schema(plugin).to_file_descriptor()).expect("our own description");
        schema(host).check(&plugin).map_err(|error| error.to_string())
    }

    fn message(fields: &'static [Field]) -> Kind {
        Kind::Message(StaticRef::new(leak(MessageType {
            name: TypeName::Named("Item"),
            path: "Item",
            fields,
            is_oneof: false,
        })))
    }

    fn one(shape: Shape) -> &'static [Field] {
        std::slice::from_ref(leak(Field::new("item", 1, shape)))
    }

    const KEY: Field = Field::new("key", 1, Shape::Singular(Kind::String));
    const SIZE: Field = Field::new("size", 2, Shape::Singular(Kind::Int64));

    #[test]
    fn additions_work() {
        assert_eq!(check(&[KEY], &[KEY, SIZE]), Ok(()));
    }

    #[test]
    fn removals_are_refused_by_name() {
        let error = "method `Put`: the plugin lacks the field `size` (number 2)";
        assert_eq!(check(&[KEY, SIZE], &[KEY]), Err(error.to_owned()));
    }

    #[test]
    fn retypings_are_refused_unless_the_encodings_agree() {
        const NARROW: Field = Field::new("size", 2, Shape::Singular(Kind::Uint32));
        const FLOAT: Field = Field::new("size", 2, Shape::Singular(Kind::Double));
        const LIST: Field = Field::new("size", 2, Shape::Repeated(Kind::Int64));
        const MAYBE: Field = Field::new("size", 2, Shape::Optional(Kind::Int64));
        const MAP: Field = Field::new("size", 2, Shape::Map(Kind::String, Kind::Int64));
        assert_eq!(check(&[KEY, SIZE], &[KEY, NARROW]), Ok(()));
        assert_eq!(check(&[KEY, SIZE], &[KEY, MAYBE]), Ok(()));
        let found = |name: &str| {
            Err(format!("method `Put`: field `size` is `int64` at the host, but `{name}` in the plugin"))
        };
        assert_eq!(check(&[KEY, SIZE], &[KEY, FLOAT]), found("double"));
        assert_eq!(check(&[KEY, SIZE], &[KEY, LIST]), found("repeated int64"));
        assert_eq!(check(&[KEY, SIZE], &[KEY, MAP]), found("repeated proto.PutRequest.SizeEntry"));
        assert_eq!(check(&[MAP], &[MAP]), Ok(()));
    }

    #[test]
    fn types_inside_of_types_are_compared() {
        let (host, plugin) = (message(&[KEY, SIZE]), message(&[KEY]));
        let error = "method `Put`: the plugin lacks the field `item.size` (number 2)";
        for shape in
            [Shape::Singular, Shape::Optional, Shape::Repeated, |kind| Shape::Map(Kind::String, kind)]
        {
            assert_eq!(check(one(shape(plugin)), one(shape(host))), Ok(()), "an addition");
            let error = error.replace(
                "item.size",
                if matches!(shape(host), Shape::Map(..)) { "item.value.size" } else { "item.size" },
            );
            assert_eq!(check(one(shape(host)), one(shape(plugin))), Err(error));
        }
    }

    #[test]
    fn an_enum_may_gain_variants_and_may_not_lose_them() {
        const RED: Variant = Variant { name: "COLOUR_RED", number: 0 };
        const BLUE: Variant = Variant { name: "COLOUR_BLUE", number: 1 };
        let colour = |variants| {
            Shape::Singular(Kind::Enum(StaticRef::new(leak(EnumType { name: "Colour", path: "", variants }))))
        };
        assert_eq!(check(one(colour(&[RED])), one(colour(&[RED, BLUE]))), Ok(()));
        let error = "method `Put`: the plugin's type of the field `item` lacks the variant `COLOUR_BLUE`";
        assert_eq!(check(one(colour(&[RED, BLUE])), one(colour(&[RED]))), Err(error.to_owned()));
    }

    #[test]
    fn streams_are_compared() {
        const STREAM: Field = Field::stream("key", 1, Shape::Singular(Kind::String));
        let error = "method `Put` has a stream of requests at the host, but no stream in the plugin";
        assert_eq!(check(&[STREAM], &[KEY]), Err(error.to_owned()));
        assert_eq!(check(&[STREAM], &[STREAM]), Ok(()));
    }

    #[test]
    fn the_interfaces_of_objects_are_compared() {
        let store = |arguments| leak(Schema { service: "proto.Store", ..*schema(arguments) });
        let objects = |arguments| one(Shape::Interface(ObjectType::described(store(arguments))));
        assert_eq!(check(objects(&[KEY]), objects(&[KEY])), Ok(()));
        const OTHER: &Schema = &Schema { service: "proto.Log", version: "1.0", methods: &[] };
        const MORE: &Schema = &Schema {
            methods: &[Method {
                name: "Write",
                path: "/proto.Log/Write",
                mode: Mode::Async,
                arguments: &[KEY],
                result: &[],
                is_optional: false,
            }],
            ..*OTHER
        };
        let log = |schema| one(Shape::Interface(ObjectType::described(schema)));
        assert_eq!(check(log(MORE), log(OTHER)), Ok(()), "the plugin calls less than the host's has");
        let error = "the plugin calls the method `Write` of `proto.Log`, which the host's lacks";
        assert_eq!(check(log(OTHER), log(MORE)), Err(error.to_owned()));
        let error = "method `Put`: field `item` is `an object of proto.Log` at the host, but `an object of proto.Store` in the plugin";
        assert_eq!(check(log(OTHER), objects(&[KEY])), Err(error.to_owned()));
        assert_eq!(
            check(log(OTHER), one(Shape::Singular(Kind::Uint32))),
            Ok(()),
            "a peer in another language"
        );
    }

    #[test]
    fn a_missing_method_is_named_unless_it_has_a_default() {
        let host = schema(&[]);
        let plugin = Descriptor { service: "proto.KV".to_owned(), ..Descriptor::default() };
        let missing = Incompatibility::Method { service: "proto.KV", method: "Put" };
        assert_eq!(host.check(&plugin), Err(missing));
        let method = Method { is_optional: true, ..host.methods[0] };
        let lenient = Schema { methods: std::slice::from_ref(leak(method)), ..*host };
        assert_eq!((lenient.check(&plugin), lenient.lacking(&plugin).count()), (Ok(()), 1));
        let other = Descriptor { service: "proto.Log".to_owned(), ..Descriptor::default() };
        assert_eq!(
            host.check(&other).map_err(|error| error.to_string()),
            Err("expected the interface `proto.KV`, found `proto.Log`".to_owned())
        );
    }
}

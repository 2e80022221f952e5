//! Whether a plugin may serve a host: the rules of protobuf evolution.
//!
//! A plugin may have more than the host asks for: methods, and fields of a message, which then hold their defaults. It
//! may not lack a method that has no default, nor a field that the host sends, nor one that it reads and cannot do without
//! (an option, a list and a map can be empty); and it may retype a field only where the encodings agree (<https://protobuf.dev/programming-guides/proto3/#updating>). So it goes on through all
//! types that the interface uses, and through the other interfaces whose objects it passes. Of an object that the host gives
//! to a plugin it is the plugin that calls and the host that serves: there the same rules hold the other way round.

use std::collections::BTreeSet;
use std::fmt;

use super::descriptor::{FieldDescriptor, MessageDescriptor, Presence, Streams};
use super::{Descriptor, Method, Schema};

/// Why a plugin cannot serve a host's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incompatibility {
    /// The plugin's message lacks a field.
    Field {
        /// The method.
        method: String,
        /// The field, with the fields in which it lies.
        field: String,
        /// The field's number.
        number: u32,
    },
    /// The host's message lacks a field, of an object that it gives to the plugin.
    HostField {
        /// The method of the object.
        method: String,
        /// The field, with the fields in which it lies.
        field: String,
        /// The field's number.
        number: u32,
    },
    /// The plugin would call a method that an object of the host's lacks.
    HostMethod {
        /// The interface.
        service: String,
        /// The method.
        method: String,
    },
    /// The host's enum lacks a variant, of an object that it gives to the plugin.
    HostVariant {
        /// The method of the object.
        method: String,
        /// The field, with the fields in which it lies.
        field: String,
        /// The variant.
        variant: String,
    },
    /// The plugin lacks a method.
    Method {
        /// The interface.
        service: String,
        /// The method.
        method: String,
    },
    /// The plugin implements another interface.
    Service {
        /// What the host asked for.
        expected: String,
        /// What the plugin has.
        found: String,
    },
    /// One side streams what the other sends once.
    Stream {
        /// The method.
        method: String,
        /// What the host does.
        expected: &'static str,
        /// What the plugin does.
        found: &'static str,
    },
    /// A field has another type.
    Type {
        /// The method.
        method: String,
        /// The field, with the fields in which it lies.
        field: String,
        /// The host's type.
        expected: String,
        /// The plugin's type.
        found: String,
    },
    /// The host's own interface is too large to be described.
    Undescribed {
        /// What is too large.
        reason: String,
    },
    /// The plugin's enum lacks a variant.
    Variant {
        /// The method.
        method: String,
        /// The field, with the fields in which it lies.
        field: String,
        /// The variant.
        variant: String,
    },
}

impl Incompatibility {
    /// The method that stands in the way, where it is one.
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Field { method, .. }
            | Self::HostField { method, .. }
            | Self::HostMethod { method, .. }
            | Self::HostVariant { method, .. }
            | Self::Method { method, .. }
            | Self::Stream { method, .. }
            | Self::Type { method, .. }
            | Self::Variant { method, .. } => Some(method),
            Self::Service { .. } | Self::Undescribed { .. } => None,
        }
    }

    /// The field of the method that stands in the way, with the fields in which it lies, where it is one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Field { field, .. }
            | Self::HostField { field, .. }
            | Self::HostVariant { field, .. }
            | Self::Type { field, .. }
            | Self::Variant { field, .. } => Some(field),
            _ => None,
        }
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { method, field, number } => {
                write!(f, "method `{method}`: the plugin lacks the field `{field}` (number {number})")
            }
            Self::HostField { method, field, number } => {
                write!(
                    f,
                    "method `{method}`, which the plugin calls: the host lacks the field `{field}` (number {number})"
                )
            }
            Self::HostMethod { service, method } => {
                write!(f, "the plugin calls the method `{method}` of `{service}`, which the host's lacks")
            }
            Self::HostVariant { method, field, variant } => {
                write!(
                    f,
                    "method `{method}`, which the plugin calls: the host's type of the field `{field}` lacks the variant \
                     `{variant}`"
                )
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
            Self::Undescribed { reason } => write!(f, "the host's interface cannot be described: {reason}"),
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
    pub fn check(&'static self, plugin: &Descriptor) -> Result<(), Incompatibility> {
        match Descriptor::parse(&self.to_file_descriptor()) {
            Ok(host) => host.check(plugin),
            Err(error) => Err(Incompatibility::Undescribed { reason: error.to_string() }),
        }
    }

    /// The methods that a plugin with this description lacks, and for which the trait has a default.
    pub fn lacking<'a>(&'a self, plugin: &'a Descriptor) -> impl Iterator<Item = &'static Method> + 'a {
        self.methods.iter().filter(|method| !plugin.methods.iter().any(|found| found.name == method.name))
    }
}

impl Descriptor {
    /// Checks that a plugin with the description `plugin` can serve a host that expects this one.
    ///
    /// ```
    /// use jackfield_core::schema::Descriptor;
    /// use jackfield_core::{Error, Interface, interface};
    ///
    /// #[interface(service = "example.Adder", version = "1.0")]
    /// trait Old {
    ///     fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
    /// }
    ///
    /// #[interface(service = "example.Adder", version = "1.1")]
    /// trait New {
    ///     fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
    ///     fn negate(&self, a: i64) -> Result<i64, Error>;
    /// }
    ///
    /// let old = Descriptor::parse(&<dyn Old as Interface>::SCHEMA.to_file_descriptor())?;
    /// let new = Descriptor::parse(&<dyn New as Interface>::SCHEMA.to_file_descriptor())?;
    /// assert!(old.check(&new).is_ok());
    /// assert_eq!(new.check(&old).unwrap_err().to_string(), "the plugin lacks the method `Negate`");
    /// # Ok::<_, jackfield_core::schema::DescriptorError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Incompatibility`] names the first method and field that stand in the way.
    pub fn check(&self, plugin: &Self) -> Result<(), Incompatibility> {
        if plugin.service != self.service {
            let (expected, found) = (self.service.clone(), plugin.service.clone());
            return Err(Incompatibility::Service { expected, found });
        }
        let place = Place {
            caller: Side::Host,
            direction: Direction::Response,
            method: "",
            path: String::new(),
            depth: 0,
        };
        Check { host: self, plugin, seen: BTreeSet::new() }.service(&place, self, plugin)
    }
}

/// A comparison, with the pairs of types that were compared already: types may contain themselves.
struct Check<'a> {
    host: &'a Descriptor,
    plugin: &'a Descriptor,
    seen: BTreeSet<(&'a str, &'a str, Side, Direction)>,
}

/// Where in an interface a field stands.
#[derive(Clone)]
struct Place<'a> {
    /// Who calls the method.
    caller: Side,
    method: &'a str,
    direction: Direction,
    path: String,
    /// In how many types it lies.
    depth: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Host,
    Plugin,
}

/// Who sends a field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    /// Who calls.
    Request,
    /// Who serves.
    Response,
}

impl<'a> Place<'a> {
    fn field(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{}{dot}{name}", self.path), depth: self.depth + 1, ..*self }
    }

    fn method(&self, method: &'a str, direction: Direction) -> Self {
        Self { method, direction, path: String::new(), depth: self.depth + 1, ..*self }
    }

    /// The host's and the plugin's, of the caller's and that of who serves.
    fn host_first<T>(&self, (caller, server): (T, T)) -> (T, T) {
        match self.caller {
            Side::Host => (caller, server),
            Side::Plugin => (server, caller),
        }
    }

    /// In an object of the caller's, whose methods the other side calls.
    fn called_back(&self) -> Self {
        let caller = match self.caller {
            Side::Host => Side::Plugin,
            Side::Plugin => Side::Host,
        };
        Self { caller, ..self.clone() }
    }
}

/// In each function the first of two descriptions is the caller's, the second that of who serves.
impl<'a> Check<'a> {
    fn caller(&self, place: &Place<'a>) -> &'a Descriptor {
        match place.caller {
            Side::Host => self.host,
            Side::Plugin => self.plugin,
        }
    }

    fn server(&self, place: &Place<'a>) -> &'a Descriptor {
        match place.caller {
            Side::Host => self.plugin,
            Side::Plugin => self.host,
        }
    }

    /// Compares an interface.
    fn service(
        &mut self,
        place: &Place<'a>,
        caller: &'a Descriptor,
        server: &'a Descriptor,
    ) -> Result<(), Incompatibility> {
        let key = (caller.service.as_str(), "", place.caller, Direction::Response);
        if place.depth > MAX_DEPTH || !self.seen.insert(key) {
            return Ok(());
        }
        for method in &caller.methods {
            let Some(served) = server.methods.iter().find(|served| served.name == method.name) else {
                if method.is_optional {
                    continue;
                }
                let (service, method) = (caller.service.clone(), method.name.clone());
                return Err(match place.caller {
                    Side::Host => Incompatibility::Method { service, method },
                    Side::Plugin => Incompatibility::HostMethod { service, method },
                });
            };
            if method.streams != served.streams {
                let texts = (describe_streams(method.streams), describe_streams(served.streams));
                let (expected, found) = place.host_first(texts);
                return Err(Incompatibility::Stream { method: method.name.clone(), expected, found });
            }
            let directions = [
                (Direction::Request, &method.request, &served.request),
                (Direction::Response, &method.response, &served.response),
            ];
            for (direction, own, other) in directions {
                let place = place.method(&method.name, direction);
                let messages = (self.caller(&place).message(own), self.server(&place).message(other));
                if let (Some(own), Some(other)) = messages {
                    self.fields(&place, own, other)?;
                }
            }
        }
        Ok(())
    }

    fn fields(
        &mut self,
        place: &Place<'a>,
        caller: &'a MessageDescriptor,
        server: &'a MessageDescriptor,
    ) -> Result<(), Incompatibility> {
        for field in &caller.fields {
            let place = place.field(&field.name);
            match server.fields.iter().find(|found| found.number == field.number) {
                Some(found) => self.field(&place, field, found)?,
                None if place.direction == Direction::Response && can_be_empty(field) => {}
                None => {
                    let (method, field, number) = (place.method.to_owned(), place.path, field.number);
                    return Err(match place.caller {
                        Side::Host => Incompatibility::Field { method, field, number },
                        Side::Plugin => Incompatibility::HostField { method, field, number },
                    });
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        place: &Place<'a>,
        caller: &'a FieldDescriptor,
        server: &'a FieldDescriptor,
    ) -> Result<(), Incompatibility> {
        if !caller.interface.is_empty() {
            return self.interface(place, caller, server);
        }
        match (self.caller(place).entry(caller), self.server(place).entry(server)) {
            (Some(entry), Some(found)) => {
                for (field, found) in entry.fields.iter().zip(&found.fields) {
                    self.kind(&place.field(&field.name), field, found)?;
                }
                Ok(())
            }
            (None, None) if caller.is_repeated == server.is_repeated => self.kind(place, caller, server),
            _ => Err(self.mismatch(place, caller, server)),
        }
    }

    fn mismatch(
        &self,
        place: &Place<'a>,
        caller: &FieldDescriptor,
        server: &FieldDescriptor,
    ) -> Incompatibility {
        let texts = (self.caller(place).type_text(caller), self.server(place).type_text(server));
        let (expected, found) = place.host_first(texts);
        Incompatibility::Type { method: place.method.to_owned(), field: place.path.clone(), expected, found }
    }

    fn interface(
        &mut self,
        place: &Place<'a>,
        caller: &'a FieldDescriptor,
        server: &'a FieldDescriptor,
    ) -> Result<(), Incompatibility> {
        // A peer in another language describes an object as the number that it is on the wire.
        if server.interface.is_empty() && class(server.kind) == VARINT && !server.is_repeated {
            return Ok(());
        }
        if server.interface != caller.interface {
            return Err(self.mismatch(place, caller, server));
        }
        let service = caller.interface.as_str();
        let described = (self.caller(place).described(service), self.server(place).described(service));
        let (Some(own), Some(other)) = described else { return Ok(()) };
        match place.direction {
            Direction::Request => self.service(&place.called_back(), other, own),
            Direction::Response => self.service(place, own, other),
        }
    }

    fn kind(
        &mut self,
        place: &Place<'a>,
        caller: &'a FieldDescriptor,
        server: &'a FieldDescriptor,
    ) -> Result<(), Incompatibility> {
        if class(caller.kind) != class(server.kind) {
            return Err(self.mismatch(place, caller, server));
        }
        self.variants(place, caller, server)?;
        let (own, other) = (caller.type_name.as_str(), server.type_name.as_str());
        let messages = (self.caller(place).message(own), self.server(place).message(other));
        let (Some(caller), Some(server)) = messages else { return Ok(()) };
        // What is nested deeper cannot be read in a call either.
        if place.depth > MAX_DEPTH || !self.seen.insert((own, other, place.caller, place.direction)) {
            return Ok(());
        }
        self.fields(place, caller, server)
    }

    fn variants(
        &self,
        place: &Place<'a>,
        caller: &FieldDescriptor,
        server: &FieldDescriptor,
    ) -> Result<(), Incompatibility> {
        let (own, other) = (self.caller(place), self.server(place));
        let enums = (own.enums.get(&caller.type_name), other.enums.get(&server.type_name));
        let (Some(own), Some(other)) = enums else { return Ok(()) };
        let Some((_, variant)) = own.variants.iter().find(|(number, _)| !other.variants.contains_key(number))
        else {
            return Ok(());
        };
        let (method, field, variant) = (place.method.to_owned(), place.path.clone(), variant.clone());
        Err(match place.caller {
            Side::Host => Incompatibility::Variant { method, field, variant },
            Side::Plugin => Incompatibility::HostVariant { method, field, variant },
        })
    }
}

/// Whether a field that never comes is a value like any other.
fn can_be_empty(field: &FieldDescriptor) -> bool {
    field.is_repeated || field.presence == Presence::Explicit
}

fn describe_streams(streams: Streams) -> &'static str {
    match (streams.requests, streams.responses) {
        (false, false) => "no stream",
        (true, false) => "a stream of requests",
        (false, true) => "a stream of responses",
        (true, true) => "streams in both directions",
    }
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

/// How deep types may be nested. It bounds what a description that was made up can ask for.
const MAX_DEPTH: u32 = 200;

#[cfg(test)]
mod tests {
    use jackfield_abi::StaticRef;

    use super::super::{EnumType, Field, Kind, MessageType, Mode, ObjectType, Shape, TypeName, Variant};
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
        assert_eq!(check(&[KEY, SIZE], &[KEY, MAP]), found("map<string, int64>"));
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
        let error = "method `Put`: field `item` is `object of proto.Log` at the host, but `object of proto.Store` in the plugin";
        assert_eq!(check(log(OTHER), objects(&[KEY])), Err(error.to_owned()));
        assert_eq!(
            check(log(OTHER), one(Shape::Singular(Kind::Uint32))),
            Ok(()),
            "a peer in another language"
        );
    }

    /// An interface whose method takes and gives these.
    fn listener(arguments: &'static [Field], result: &'static [Field]) -> &'static Schema {
        let method = Method {
            name: "Hear",
            path: "/proto.Listener/Hear",
            mode: Mode::Async,
            arguments,
            result,
            is_optional: false,
        };
        let methods = std::slice::from_ref(leak(method));
        leak(Schema { service: "proto.Listener", version: "1.0", methods })
    }

    /// What the host gives to the plugin, and what the plugin gives to the host: the same rules with the sides swapped.
    #[test]
    fn of_an_object_the_side_that_got_it_is_the_caller() {
        let given = |schema| one(Shape::Interface(ObjectType::described(schema)));
        let returned = |listener: &'static Schema| {
            let method = Method { arguments: &[], result: given(listener), ..schema(&[]).methods[0] };
            leak(Schema { methods: std::slice::from_ref(leak(method)), ..*schema(&[]) })
        };
        let to_plugin = |host, plugin| check(given(host), given(plugin));
        let to_host = |host, plugin| {
            let plugin =
                Descriptor::parse(&returned(plugin).to_file_descriptor()).expect("our own description");
            returned(host).check(&plugin).map_err(|error| error.to_string())
        };
        let (few, many) = (&[KEY] as &[_], &[KEY, SIZE] as &[_]);
        for (asks, serves, is_fine, lack) in [
            // The server may read and send more than the caller does, and the caller not more than the server.
            (listener(few, few), listener(many, few), true, "size"),
            (listener(few, few), listener(few, many), true, "size"),
            (listener(many, few), listener(few, few), false, "size"),
            (listener(few, many), listener(few, few), false, "size"),
            // So it is inside of the types that are reached.
            (
                listener(one(Shape::Singular(message(few))), few),
                listener(one(Shape::Singular(message(many))), few),
                true,
                "",
            ),
            (
                listener(one(Shape::Singular(message(many))), few),
                listener(one(Shape::Singular(message(few))), few),
                false,
                "item.size",
            ),
        ] {
            let refused = |place: &str, side: &str| {
                let number = "(number 2)";
                if is_fine {
                    Ok(())
                } else {
                    Err(format!("method `Hear`{place}: the {side} lacks the field `{lack}` {number}"))
                }
            };
            // The plugin calls the host's object.
            assert_eq!(to_plugin(serves, asks), refused(", which the plugin calls", "host"));
            // The host calls the plugin's.
            assert_eq!(to_host(asks, serves), refused("", "plugin"));
        }
    }

    #[test]
    fn an_object_that_is_given_back_turns_the_sides_once_more() {
        let given = |schema| one(Shape::Interface(ObjectType::described(schema)));
        // The host's object is given one of the plugin's, which the host calls.
        let store = |arguments| leak(Schema { service: "proto.Store", ..*schema(arguments) });
        let host = given(listener(given(store(&[KEY, SIZE])), &[]));
        let plugin = given(listener(given(store(&[KEY])), &[]));
        let error = "method `Put`: the plugin lacks the field `size` (number 2)";
        assert_eq!(check(host, plugin), Err(error.to_owned()));
        assert_eq!(check(plugin, host), Ok(()));
    }

    #[test]
    fn a_missing_method_is_named_unless_it_has_a_default() {
        let host = schema(&[]);
        let plugin = Descriptor { service: "proto.KV".to_owned(), ..Descriptor::default() };
        let missing = Incompatibility::Method { service: "proto.KV".to_owned(), method: "Put".to_owned() };
        assert_eq!(host.check(&plugin), Err(missing));
        let method = Method { is_optional: true, ..host.methods[0] };
        let lenient = leak(Schema { methods: std::slice::from_ref(leak(method)), ..*host });
        assert_eq!((lenient.check(&plugin), lenient.lacking(&plugin).count()), (Ok(()), 1));
        let other = Descriptor { service: "proto.Log".to_owned(), ..Descriptor::default() };
        assert_eq!(
            host.check(&other).map_err(|error| error.to_string()),
            Err("expected the interface `proto.KV`, found `proto.Log`".to_owned())
        );
    }
}

//! Writes a schema as a protobuf `FileDescriptorProto`, in a constant where that is needed.
//!
//! The field numbers are those of `google/protobuf/descriptor.proto`. Everything is written from its end to its
//! beginning: so the length of a message is known when its head is written, and nothing is written twice.

use super::reach::{Reach, is_same};
use super::{EnumType, Field, Kind, MessageType, Method, Schema, Shape, TypeName};

/// How many bytes the file descriptor of a schema has.
pub(crate) const fn file_len(schema: &'static Schema) -> usize {
    let mut writer = Writer::new(&mut []);
    writer.file_content(schema);
    writer.len
}

/// Writes the file descriptor into a buffer of exactly its length.
pub(crate) fn write_file(schema: &'static Schema, buffer: &mut [u8]) {
    Writer::new(buffer).file_content(schema);
}

/// Writes protobuf fields into a buffer, from its end to its beginning, or counts them where there is no room.
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// How many bytes were written.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    const fn byte(&mut self, byte: u8) {
        self.len += 1;
        if self.len <= self.buffer.len() {
            let at = self.buffer.len() - self.len;
            self.buffer[at] = byte;
        }
    }

    const fn varint(&mut self, value: u64) {
        let mut index = (64 - (value | 1).leading_zeros()).div_ceil(7);
        let mut more = 0;
        while index > 0 {
            index -= 1;
            self.byte((value >> (7 * index)) as u8 & 0x7f | more);
            more = 0x80;
        }
    }

    /// A varint field.
    pub(crate) const fn number(&mut self, field: u32, value: u64) {
        self.varint(value);
        self.varint((field as u64) << 3);
    }

    /// The head of a length-delimited field, whose content is what was written since `end`.
    pub(crate) const fn nested(&mut self, field: u32, end: usize) {
        let len = self.len - end;
        self.varint(len as u64);
        self.varint((field as u64) << 3 | 2);
    }

    /// A text field, put together from parts.
    pub(crate) const fn text(&mut self, field: u32, parts: &[&str]) {
        let end = self.len;
        let mut index = parts.len();
        while index > 0 {
            index -= 1;
            self.raw(parts[index]);
        }
        self.nested(field, end);
    }

    const fn raw(&mut self, text: &str) {
        let bytes = text.as_bytes();
        if self.buffer.is_empty() {
            self.len += bytes.len();
            return;
        }
        let mut index = bytes.len();
        while index > 0 {
            index -= 1;
            self.byte(bytes[index]);
        }
    }

    /// A schema as a file descriptor in a field of its own.
    pub(crate) const fn file(&mut self, field: u32, schema: &'static Schema) {
        let end = self.len;
        self.file_content(schema);
        self.nested(field, end);
    }

    const fn file_content(&mut self, schema: &'static Schema) {
        let reach = Reach::of(schema);
        self.text(12, &["proto3"]);
        let mut index = reach.services.len;
        while index > 0 {
            index -= 1;
            let service = reach.services.at(index);
            self.service(schema.package(), service, prefix(service, index));
        }
        index = reach.enums.len;
        while index > 0 {
            index -= 1;
            self.enumeration(reach.enums.at(index));
        }
        index = reach.messages.len;
        while index > 0 {
            index -= 1;
            let ty = reach.messages.at(index);
            self.message(schema.package(), &Name::Type(ty), ty.fields, Form::of(ty));
        }
        index = reach.services.len;
        while index > 0 {
            index -= 1;
            let service = reach.services.at(index);
            self.requests(schema.package(), service, prefix(service, index));
        }
        self.text(2, &[schema.package()]);
        self.text(1, &[schema.service, ".proto"]);
    }

    /// The requests and responses of a service's methods.
    const fn requests(&mut self, package: &str, schema: &'static Schema, prefix: &str) {
        let mut index = schema.methods.len();
        while index > 0 {
            index -= 1;
            let method = &schema.methods[index];
            if !method.result.is_empty() {
                let name = Name::Parts(&[prefix, method.name, "Response"]);
                self.message(package, &name, method.result, Form::Fields);
            }
            if !method.arguments.is_empty() {
                let name = Name::Parts(&[prefix, method.name, "Request"]);
                self.message(package, &name, method.arguments, Form::Fields);
            }
        }
    }

    /// `FileDescriptorProto.message_type`.
    const fn message(&mut self, package: &str, name: &Name<'_>, fields: &'static [Field], form: Form) {
        let end = self.len;
        self.message_content(package, name, fields, form);
        let start = self.len;
        self.name(name);
        self.nested(1, start);
        self.nested(4, end);
    }

    const fn name(&mut self, name: &Name<'_>) {
        match name {
            Name::Parts(parts) => {
                let mut index = parts.len();
                while index > 0 {
                    index -= 1;
                    self.raw(parts[index]);
                }
            }
            Name::Type(ty) => self.type_name(ty),
        }
    }

    /// The content of a `DescriptorProto` but for its name.
    const fn message_content(
        &mut self,
        package: &str,
        name: &Name<'_>,
        fields: &'static [Field],
        form: Form,
    ) {
        let is_oneof = matches!(form, Form::Oneof);
        // Optional fields are in a oneof of their own each, which come after the real one.
        let first = if is_oneof { 1 } else { 0 };
        let mut optional = 0;
        let mut index = 0;
        while index < fields.len() {
            if let Shape::Optional(_) = fields[index].shape {
                optional += 1;
            }
            index += 1;
        }
        let mut synthetic = optional;
        while index > 0 {
            index -= 1;
            if let Shape::Optional(_) = fields[index].shape {
                let (end, name) = (self.len, fields[index].name);
                self.text(1, &["_", name]);
                self.nested(8, end);
            }
        }
        if is_oneof {
            let end = self.len;
            self.text(1, &["kind"]);
            self.nested(8, end);
        }
        index = fields.len();
        while index > 0 {
            index -= 1;
            if let Shape::Map(key, value) = fields[index].shape {
                self.entry(package, fields[index].name, key, value);
            }
        }
        index = fields.len();
        while index > 0 {
            index -= 1;
            let oneof = if is_oneof {
                Some(0)
            } else if let Shape::Optional(_) = fields[index].shape {
                synthetic -= 1;
                Some(first + synthetic)
            } else {
                None
            };
            self.field(package, name, &fields[index], oneof);
        }
    }

    /// `DescriptorProto.nested_type` for the entries of a map.
    const fn entry(&mut self, package: &str, field: &str, key: Kind, value: Kind) {
        let end = self.len;
        let options = self.len;
        self.number(7, 1);
        self.nested(7, options);
        let name = Name::Parts(&[]);
        self.field(package, &name, &Field::new("value", 2, Shape::Singular(value)), None);
        self.field(package, &name, &Field::new("key", 1, Shape::Singular(key)), None);
        let start = self.len;
        self.entry_name(field);
        self.nested(1, start);
        self.nested(3, end);
    }

    /// `DescriptorProto.field`.
    const fn field(&mut self, package: &str, owner: &Name<'_>, field: &Field, oneof: Option<u64>) {
        let end = self.len;
        if let Shape::Optional(_) = field.shape {
            self.number(17, 1);
        }
        if let Some(oneof) = oneof {
            self.number(9, oneof);
        }
        if let Shape::Interface(object) = field.shape {
            let options = self.len;
            self.text(INTERFACE, &[object.schema().service]);
            self.nested(8, options);
        }
        if field.is_stream {
            let options = self.len;
            self.number(STREAM, 1);
            self.nested(8, options);
        }
        let start = self.len;
        match field.shape {
            Shape::Interface(_) => {}
            Shape::Map(_, _) => {
                self.entry_name(field.name);
                self.raw(".");
                self.name(owner);
            }
            Shape::Optional(kind) | Shape::Repeated(kind) | Shape::Singular(kind) => self.kind_name(kind),
        }
        if self.len > start {
            // Written from the end: `.package.` before the name.
            self.raw(if package.is_empty() { "" } else { "." });
            self.raw(package);
            self.raw(".");
            self.nested(6, start);
        }
        self.number(5, type_number(field.shape) as u64);
        let is_repeated = matches!(field.shape, Shape::Map(_, _) | Shape::Repeated(_));
        self.number(4, if is_repeated { LABEL_REPEATED } else { LABEL_OPTIONAL });
        self.number(3, field.number as u64);
        self.text(1, &[field.name]);
        self.nested(2, end);
    }

    /// The name of a user's type, without its package. Nothing for the others.
    const fn kind_name(&mut self, kind: Kind) {
        match kind {
            Kind::Enum(ty) => self.raw(ty.get().name),
            Kind::Message(ty) => self.type_name(ty.get()),
            _ => {}
        }
    }

    /// The name of a message. That of a tuple is made of its fields' types.
    const fn type_name(&mut self, ty: &MessageType) {
        match ty.name {
            TypeName::Named(name) => self.raw(name),
            TypeName::Tuple => {
                let mut index = ty.fields.len();
                while index > 0 {
                    index -= 1;
                    self.shape_name(ty.fields[index].shape);
                }
                self.raw("Tuple");
            }
        }
    }

    const fn shape_name(&mut self, shape: Shape) {
        match shape {
            Shape::Interface(object) => self.raw(object.schema().name()),
            Shape::Map(key, value) => {
                self.part_name(value);
                self.part_name(key);
                self.raw("Map");
            }
            Shape::Optional(kind) => {
                self.part_name(kind);
                self.raw("Optional");
            }
            Shape::Repeated(kind) => {
                self.part_name(kind);
                self.raw("List");
            }
            Shape::Singular(kind) => self.part_name(kind),
        }
    }

    const fn part_name(&mut self, kind: Kind) {
        match kind {
            Kind::Bool => self.raw("Bool"),
            Kind::Bytes => self.raw("Bytes"),
            Kind::Double => self.raw("Double"),
            Kind::Float => self.raw("Float"),
            Kind::Int32 => self.raw("Int32"),
            Kind::Int64 => self.raw("Int64"),
            Kind::String => self.raw("String"),
            Kind::Uint32 => self.raw("Uint32"),
            Kind::Uint64 => self.raw("Uint64"),
            Kind::Enum(_) | Kind::Message(_) => self.kind_name(kind),
        }
    }

    /// `get_value` as `GetValueEntry`: how protobuf names the entries of a map.
    const fn entry_name(&mut self, field: &str) {
        self.raw("Entry");
        let bytes = field.as_bytes();
        let mut index = bytes.len();
        while index > 0 {
            index -= 1;
            let starts_word = index == 0 || bytes[index - 1] == b'_';
            if bytes[index] != b'_' {
                self.byte(if starts_word { bytes[index].to_ascii_uppercase() } else { bytes[index] });
            }
        }
    }

    /// `FileDescriptorProto.enum_type`.
    const fn enumeration(&mut self, ty: &'static EnumType) {
        let end = self.len;
        let mut index = ty.variants.len();
        while index > 0 {
            index -= 1;
            let variant = self.len;
            self.number(2, ty.variants[index].number as i64 as u64);
            self.text(1, &[ty.variants[index].name]);
            self.nested(2, variant);
        }
        self.text(1, &[ty.name]);
        self.nested(5, end);
    }

    /// `FileDescriptorProto.service`. An interface of another package is described in this file all the same, under
    /// an option with its real name.
    const fn service(&mut self, package: &str, schema: &'static Schema, prefix: &str) {
        let end = self.len;
        if !is_same(package, schema.package()) {
            let options = self.len;
            self.text(INTERFACE, &[schema.service]);
            self.nested(3, options);
        }
        let mut index = schema.methods.len();
        while index > 0 {
            index -= 1;
            self.method(package, prefix, &schema.methods[index]);
        }
        self.text(1, &[schema.name()]);
        self.nested(6, end);
    }

    /// `ServiceDescriptorProto.method`.
    const fn method(&mut self, package: &str, prefix: &str, method: &'static Method) {
        let end = self.len;
        if method.is_optional {
            let options = self.len;
            self.number(OPTIONAL, 1);
            self.nested(4, options);
        }
        if method.response_stream().is_some() {
            self.number(6, 1);
        }
        if method.request_stream().is_some() {
            self.number(5, 1);
        }
        let response =
            if method.result.is_empty() { ["Empty", "", ""] } else { [prefix, method.name, "Response"] };
        let request =
            if method.arguments.is_empty() { ["Empty", "", ""] } else { [prefix, method.name, "Request"] };
        let dot = if package.is_empty() { "" } else { "." };
        self.text(3, &[dot, package, ".", response[0], response[1], response[2]]);
        self.text(2, &[dot, package, ".", request[0], request[1], request[2]]);
        self.text(1, &[method.name]);
        self.nested(2, end);
    }
}

/// The name of a message: put together from parts, or that of a type.
enum Name<'a> {
    Parts(&'a [&'a str]),
    Type(&'static MessageType),
}

/// What stands before the names of requests and responses: of several services in one file, two may have a method of
/// one name.
pub(super) const fn prefix(schema: &'static Schema, index: usize) -> &'static str {
    if index == 0 { "" } else { schema.name() }
}

/// How the fields of a message stand to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Each by itself.
    Fields,
    /// They exclude each other.
    Oneof,
}

impl Form {
    pub(super) const fn of(ty: &MessageType) -> Self {
        if ty.is_oneof { Self::Oneof } else { Self::Fields }
    }
}

const fn type_number(shape: Shape) -> u32 {
    match shape {
        Shape::Interface(_) => Kind::Uint32.number(),
        Shape::Map(_, _) => MESSAGE,
        Shape::Optional(kind) | Shape::Repeated(kind) | Shape::Singular(kind) => kind.number(),
    }
}

const LABEL_OPTIONAL: u64 = 1;
const LABEL_REPEATED: u64 = 3;
const MESSAGE: u32 = 11;

/// Our own options (<https://protobuf.dev/programming-guides/proto3/#customoptions>), in the range that is kept for
/// use inside one organisation: of a field or service, the interface's full name; of a method, that it may be lacking; of a
/// field, that it comes again and again, each time in a message of its own.
pub(super) const INTERFACE: u32 = 50_731;
pub(super) const OPTIONAL: u32 = 50_732;
pub(super) const STREAM: u32 = 50_733;

#[cfg(test)]
mod tests {
    use jackfield_abi::StaticRef;
    use prost::Message as _;
    use prost_types::{DescriptorProto, FileDescriptorProto};

    use super::super::{EnumType, Mode, ObjectType, Variant};
    use super::*;

    static COLOUR: EnumType = EnumType {
        name: "Colour",
        path: "tests::Colour",
        variants: &[Variant { name: "COLOUR_RED", number: 0 }, Variant { name: "COLOUR_MINUS", number: -1 }],
    };

    /// A list: it refers to itself.
    static NODE: MessageType = MessageType {
        name: TypeName::Named("Node"),
        path: "tests::Node",
        fields: &[
            Field::new("next", 1, Shape::Optional(Kind::Message(StaticRef::new(&NODE)))),
            Field::new("colours", 2, Shape::Repeated(Kind::Enum(StaticRef::new(&COLOUR)))),
            Field::new("by_name", 3, Shape::Map(Kind::String, Kind::Message(StaticRef::new(&PAIR)))),
        ],
        is_oneof: false,
    };

    static PAIR: MessageType = MessageType {
        name: TypeName::Tuple,
        path: "",
        fields: &[
            Field::new("field_0", 1, Shape::Singular(Kind::Int64)),
            Field::new("field_1", 2, Shape::Optional(Kind::String)),
        ],
        is_oneof: false,
    };

    static OTHER: Schema = Schema {
        service: "example.Other",
        version: "1.0",
        methods: &[Method {
            name: "Put",
            path: "/example.Other/Put",
            mode: Mode::Async,
            arguments: &[Field::stream("value", 1, Shape::Singular(Kind::Bytes))],
            result: &[Field::stream("value", 1, Shape::Interface(ObjectType::described(&KV)))],
            is_optional: true,
        }],
    };

    static KV: Schema = Schema {
        service: "proto.KV",
        version: "1.0",
        methods: &[
            Method {
                name: "Put",
                path: "/proto.KV/Put",
                mode: Mode::Async,
                arguments: &[
                    Field::new("key", 1, Shape::Singular(Kind::String)),
                    Field::new("value", 2, Shape::Singular(Kind::Bytes)),
                    Field::new("list", 300, Shape::Singular(Kind::Message(StaticRef::new(&NODE)))),
                    Field::new("other", 4, Shape::Interface(ObjectType::described(&OTHER))),
                ],
                result: &[],
                is_optional: false,
            },
            Method {
                name: "Len",
                path: "/proto.KV/Len",
                mode: Mode::Blocking,
                arguments: &[],
                result: &[Field::new("value", 1, Shape::Singular(Kind::Uint64))],
                is_optional: false,
            },
        ],
    };

    /// Written at compile time, as a plugin's note is.
    const WRITTEN: [u8; file_len(&KV)] = {
        let mut buffer = [0; file_len(&KV)];
        Writer::new(&mut buffer).file_content(&KV);
        buffer
    };

    fn message<'a>(file: &'a FileDescriptorProto, name: &str) -> &'a DescriptorProto {
        file.message_type.iter().find(|message| message.name() == name).expect("a message of this name")
    }

    #[test]
    fn protobufs_own_types_read_it() {
        let file = FileDescriptorProto::decode(&WRITTEN[..]).expect("a file descriptor");
        assert_eq!((file.name(), file.package(), file.syntax()), ("proto.KV.proto", "proto", "proto3"));
        let names: Vec<_> = file.message_type.iter().map(DescriptorProto::name).collect();
        let expected = [
            "PutRequest",
            "LenResponse",
            "OtherPutRequest",
            "OtherPutResponse",
            "Node",
            "Empty",
            "TupleInt64OptionalString",
        ];
        assert_eq!(names, expected);
        let value = &message(&file, "PutRequest").field[1];
        assert_eq!((value.name(), value.number(), value.r#type() as u32), ("value", 2, Kind::Bytes.number()));
        let method = &file.service[0].method[0];
        assert_eq!((method.input_type(), method.output_type()), (".proto.PutRequest", ".proto.Empty"));
        let node = message(&file, "Node");
        assert_eq!((node.field[0].type_name(), node.field[0].oneof_index), (".proto.Node", Some(0)));
        assert_eq!(node.oneof_decl[0].name(), "_next");
        let entry = &node.nested_type[0];
        assert_eq!((entry.name(), node.field[2].type_name()), ("ByNameEntry", ".proto.Node.ByNameEntry"));
        assert!(entry.options.as_ref().is_some_and(|options| options.map_entry()));
        assert_eq!(file.enum_type[0].value[1].number(), -1);
        let other = &file.service[1];
        assert_eq!(
            (other.name(), other.method[0].client_streaming(), other.method[0].server_streaming()),
            ("Other", true, true)
        );
    }

    #[test]
    fn a_service_without_a_package_has_type_names_with_one_dot() {
        static BARE: Schema = Schema { service: "KV", version: "1.0", methods: KV.methods };
        let file = FileDescriptorProto::decode(&BARE.to_file_descriptor()[..]).expect("a file descriptor");
        assert_eq!((file.package(), file.service[0].name()), ("", "KV"));
        assert_eq!(file.service[0].method[0].input_type(), ".PutRequest");
    }
}

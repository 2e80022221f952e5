//! Writes a schema as a protobuf `FileDescriptorProto`, in a constant where that is needed.
//!
//! The field numbers are those of `google/protobuf/descriptor.proto`.

use super::{Field, Method, Schema};

/// How many bytes the file descriptor of a schema has.
pub(crate) const fn file_len(schema: &Schema) -> usize {
    write_file(schema, &mut [])
}

/// Writes the file descriptor as far as the buffer goes, and returns how many bytes it has.
pub(crate) const fn write_file(schema: &Schema, buffer: &mut [u8]) -> usize {
    let mut writer = Writer::new(buffer, 0);
    writer.text(1, &[schema.service, ".proto"]);
    writer.text(2, &[schema.package()]);
    let mut has_empty = false;
    let mut index = 0;
    while index < schema.methods.len() {
        let method = &schema.methods[index];
        writer.message(method.name, "Request", method.arguments);
        writer.message(method.name, "Response", method.result);
        has_empty |= method.arguments.is_empty() || method.result.is_empty();
        index += 1;
    }
    if has_empty {
        writer.nested(4, count_message("Empty", "", &[]));
        writer.message_content("Empty", "", &[]);
    }
    writer.nested(6, count_service(schema));
    writer.service_content(schema);
    writer.text(12, &["proto3"]);
    writer.at
}

const fn count_message(name: &str, suffix: &str, fields: &[Field]) -> usize {
    let mut writer = Writer::new(&mut [], 0);
    writer.message_content(name, suffix, fields);
    writer.at
}

const fn count_service(schema: &Schema) -> usize {
    let mut writer = Writer::new(&mut [], 0);
    writer.service_content(schema);
    writer.at
}

/// Writes protobuf fields into a buffer, or counts them where the buffer has ended.
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8], at: usize) -> Self {
        Self { buffer, at }
    }

    /// How far it has come.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    const fn byte(&mut self, byte: u8) {
        if self.at < self.buffer.len() {
            self.buffer[self.at] = byte;
        }
        self.at += 1;
    }

    const fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// A varint field.
    pub(crate) const fn number(&mut self, field: u32, value: u64) {
        self.varint((field as u64) << 3);
        self.varint(value);
    }

    /// The head of a length-delimited field.
    pub(crate) const fn nested(&mut self, field: u32, len: usize) {
        self.varint((field as u64) << 3 | 2);
        self.varint(len as u64);
    }

    /// A text field, put together from parts.
    pub(crate) const fn text(&mut self, field: u32, parts: &[&str]) {
        let mut len = 0;
        let mut index = 0;
        while index < parts.len() {
            len += parts[index].len();
            index += 1;
        }
        self.nested(field, len);
        index = 0;
        while index < parts.len() {
            self.raw(parts[index].as_bytes());
            index += 1;
        }
    }

    const fn raw(&mut self, bytes: &[u8]) {
        let mut index = 0;
        while index < bytes.len() {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    /// A schema as a file descriptor in a field of its own.
    pub(crate) const fn file(&mut self, field: u32, schema: &Schema) {
        self.nested(field, file_len(schema));
        let (_, rest) =
            self.buffer.split_at_mut(if self.at < self.buffer.len() { self.at } else { self.buffer.len() });
        self.at += write_file(schema, rest);
    }

    /// `FileDescriptorProto.message_type`, unless the message is the shared empty one.
    const fn message(&mut self, name: &str, suffix: &str, fields: &[Field]) {
        if !fields.is_empty() {
            self.nested(4, count_message(name, suffix, fields));
            self.message_content(name, suffix, fields);
        }
    }

    /// The content of a `DescriptorProto`.
    const fn message_content(&mut self, name: &str, suffix: &str, fields: &[Field]) {
        self.text(1, &[name, suffix]);
        let mut index = 0;
        while index < fields.len() {
            let field = &fields[index];
            let mut counter = Writer::new(&mut [], 0);
            counter.field_content(field);
            let len = counter.at;
            self.nested(2, len);
            self.field_content(field);
            index += 1;
        }
    }

    /// The content of a `FieldDescriptorProto`.
    const fn field_content(&mut self, field: &Field) {
        self.text(1, &[field.name]);
        self.number(3, field.number as u64);
        self.number(4, LABEL_OPTIONAL);
        self.number(5, field.kind as u64);
    }

    /// The content of a `ServiceDescriptorProto`.
    const fn service_content(&mut self, schema: &Schema) {
        self.text(1, &[schema.name()]);
        let mut index = 0;
        while index < schema.methods.len() {
            let method = &schema.methods[index];
            let mut counter = Writer::new(&mut [], 0);
            counter.method_content(schema.package(), method);
            let len = counter.at;
            self.nested(2, len);
            self.method_content(schema.package(), method);
            index += 1;
        }
    }

    /// The content of a `MethodDescriptorProto`.
    const fn method_content(&mut self, package: &str, method: &Method) {
        self.text(1, &[method.name]);
        self.type_name(
            2,
            package,
            method.name,
            if method.arguments.is_empty() { None } else { Some("Request") },
        );
        self.type_name(
            3,
            package,
            method.name,
            if method.result.is_empty() { None } else { Some("Response") },
        );
    }

    const fn type_name(&mut self, field: u32, package: &str, name: &str, suffix: Option<&str>) {
        let dot = if package.is_empty() { "" } else { "." };
        match suffix {
            Some(suffix) => self.text(field, &[dot, package, ".", name, suffix]),
            None => self.text(field, &[dot, package, ".", "Empty"]),
        }
    }
}

const LABEL_OPTIONAL: u64 = 1;

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorProto;

    use super::super::{Kind, Mode};
    use super::*;

    const KV: Schema = Schema {
        service: "proto.KV",
        version: "1.0",
        methods: &[
            Method {
                name: "Put",
                path: "/proto.KV/Put",
                mode: Mode::Async,
                arguments: &[
                    Field { name: "key", number: 1, kind: Kind::String },
                    Field { name: "value", number: 2, kind: Kind::Bytes },
                ],
                result: &[],
            },
            Method {
                name: "Len",
                path: "/proto.KV/Len",
                mode: Mode::Blocking,
                arguments: &[],
                result: &[Field { name: "value", number: 1, kind: Kind::Uint64 }],
            },
        ],
    };

    /// Written at compile time, as a plugin's note is.
    const WRITTEN: [u8; file_len(&KV)] = {
        let mut buffer = [0; file_len(&KV)];
        write_file(&KV, &mut buffer);
        buffer
    };

    #[test]
    fn protobufs_own_types_read_it() {
        let file = FileDescriptorProto::decode(&WRITTEN[..]).expect("a file descriptor");
        assert_eq!((file.name(), file.package(), file.syntax()), ("proto.KV.proto", "proto", "proto3"));
        let names: Vec<_> = file.message_type.iter().map(prost_types::DescriptorProto::name).collect();
        assert_eq!(names, ["PutRequest", "LenResponse", "Empty"]);
        let value = &file.message_type[0].field[1];
        assert_eq!((value.name(), value.number(), value.r#type() as i32), ("value", 2, Kind::Bytes as i32));
        let method = &file.service[0].method[0];
        assert_eq!((method.input_type(), method.output_type()), (".proto.PutRequest", ".proto.Empty"));
        assert_eq!(file.encoded_len(), WRITTEN.len());
    }

    #[test]
    fn a_service_without_a_package_has_type_names_with_one_dot() {
        let bare = Schema { service: "KV", ..KV };
        let file = FileDescriptorProto::decode(&bare.to_file_descriptor()[..]).expect("a file descriptor");
        assert_eq!((file.package(), file.service[0].name()), ("", "KV"));
        assert_eq!(file.service[0].method[0].input_type(), ".PutRequest");
    }
}

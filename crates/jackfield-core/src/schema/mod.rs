//! The machine-readable description of an interface: one schema, from which everybody reads.
//!
//! [`Schema`] is what the macro writes, as plain constants. [`Descriptor`] is what a host reads back from a file
//! or a peer. Between them lies the protobuf `FileDescriptorProto`, which the first can be written as in a
//! constant, so that it travels in the plugin's file.

mod compatibility;
mod descriptor;
mod proto;
mod reach;
mod signature;
mod typed;
mod types;
pub(crate) mod writer;

pub use compatibility::Incompatibility;
pub use descriptor::{
    Descriptor, DescriptorError, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    Presence, Streams,
};
pub use jackfield_abi::Mode;
pub use typed::Untyped;
pub(crate) use typed::typed;
#[doc(hidden)]
pub use types::EMPTY;
pub use types::{EnumType, Field, Kind, MessageType, ObjectType, Shape, TypeName, Variant};

/// The description of an interface.
///
/// ```
/// use jackfield_core::{Error, Interface, interface};
///
/// #[interface(service = "example.Adder", version = "1.0")]
/// trait Adder {
///     fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
/// }
///
/// let schema = <dyn Adder as Interface>::SCHEMA;
/// assert_eq!(schema.methods[0].path, "/example.Adder/Add");
/// assert_eq!(schema.methods[0].arguments[1].name, "b");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Schema {
    /// The full name of the protobuf service, such as `proto.KV`.
    pub service: &'static str,
    /// The version of the interface, `major.minor`.
    pub version: &'static str,
    /// The methods, in the order of the trait.
    pub methods: &'static [Method],
}

impl Schema {
    /// The package of the service: what stands before the last dot.
    pub const fn package(&self) -> &'static str {
        match last_dot(self.service) {
            Some(dot) => text(self.service.as_bytes().split_at(dot).0),
            None => "",
        }
    }

    /// The name of the service without its package.
    pub const fn name(&self) -> &'static str {
        match last_dot(self.service) {
            Some(dot) => text(self.service.as_bytes().split_at(dot + 1).1),
            None => self.service,
        }
    }

    /// The schema as a protobuf `FileDescriptorProto`.
    pub fn to_file_descriptor(&'static self) -> Vec<u8> {
        let mut buffer = vec![0; writer::file_len(self)];
        writer::write_file(self, &mut buffer);
        buffer
    }
}

/// What was cut out of a text at a dot is a text. (`str::split_at` is `const` only from Rust 1.86 on.)
const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

const fn last_dot(name: &str) -> Option<usize> {
    let bytes = name.as_bytes();
    let mut index = bytes.len();
    while index > 0 {
        index -= 1;
        if bytes[index] == b'.' {
            return Some(index);
        }
    }
    None
}

/// The description of a method.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Method {
    /// The name on the wire, such as `Put`.
    pub name: &'static str,
    /// The gRPC path, such as `/proto.KV/Put`.
    pub path: &'static str,
    /// Whether the method blocks.
    pub mode: Mode,
    /// The fields of the request. One of them may be a stream.
    pub arguments: &'static [Field],
    /// The fields of the response: none or one.
    pub result: &'static [Field],
    /// Whether a plugin may lack the method, since it has a body in the trait.
    pub is_optional: bool,
}

impl Method {
    /// The argument that is a stream, if there is one.
    pub const fn request_stream(&self) -> Option<&'static Field> {
        stream(self.arguments)
    }

    /// The result, if it is a stream.
    pub const fn response_stream(&self) -> Option<&'static Field> {
        stream(self.result)
    }
}

const fn stream(fields: &'static [Field]) -> Option<&'static Field> {
    let mut index = 0;
    while index < fields.len() {
        if fields[index].is_stream {
            return Some(&fields[index]);
        }
        index += 1;
    }
    None
}

//! The machine-readable description of an interface: one schema, from which everybody reads.
//!
//! [`Schema`] is what the macro writes, as plain constants. [`Descriptor`] is what a host reads back from a file
//! or a peer. Between them lies the protobuf `FileDescriptorProto`, which the first can be written as in a
//! constant, so that it travels in the plugin's file.

mod compatibility;
mod descriptor;
pub(crate) mod writer;

pub use compatibility::Incompatibility;
pub use descriptor::{Descriptor, DescriptorError, FieldDescriptor, MethodDescriptor};
pub use jackfield_abi::Mode;

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
    pub fn to_file_descriptor(&self) -> Vec<u8> {
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
    /// The fields of the request.
    pub arguments: &'static [Field],
    /// The fields of the response: none or one.
    pub result: &'static [Field],
}

/// The description of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "generated code writes it as a constant")]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// The number, from 1.
    pub number: u32,
    /// The type.
    pub kind: Kind,
}

/// The type of a field, with protobuf's number for it (`FieldDescriptorProto.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// `bool`.
    Bool = 8,
    /// `bytes`.
    Bytes = 12,
    /// `double`.
    Double = 1,
    /// `float`.
    Float = 2,
    /// `int32`.
    Int32 = 5,
    /// `int64`.
    Int64 = 3,
    /// `string`.
    String = 9,
    /// `uint32`.
    Uint32 = 13,
    /// `uint64`.
    Uint64 = 4,
}

impl Kind {
    /// The name in a `.proto` file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Bytes => "bytes",
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::String => "string",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

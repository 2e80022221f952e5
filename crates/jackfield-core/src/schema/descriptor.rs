//! Reads an interface back from a protobuf `FileDescriptorProto`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::codec::{DecodeError, RawField, Reader};

/// An interface as a file or a peer describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Descriptor {
    /// The full name of the service.
    pub service: String,
    /// The version of the interface, where it is known.
    pub version: String,
    /// The methods.
    pub methods: Vec<MethodDescriptor>,
}

/// A method of a [`Descriptor`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodDescriptor {
    /// The name.
    pub name: String,
    /// The fields of the request.
    pub arguments: Arc<[FieldDescriptor]>,
    /// The fields of the response.
    pub result: Arc<[FieldDescriptor]>,
}

/// A field of a [`MethodDescriptor`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldDescriptor {
    /// The name.
    pub name: String,
    /// The number.
    pub number: u32,
    /// The number of the type in protobuf (`FieldDescriptorProto.Type`), which may be one that no Rust type here has.
    pub kind: u32,
}

/// Bytes do not describe an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The bytes are not a file descriptor.
    Malformed(DecodeError),
    /// A method names a message that the descriptor does not hold.
    Message {
        /// The method.
        method: String,
        /// The message.
        message: String,
    },
    /// The description is longer than any interface's.
    TooLong {
        /// How many bytes it has.
        len: usize,
    },
    /// The descriptor holds no service, or several.
    Services {
        /// How many it holds.
        count: usize,
    },
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => f.write_str("the interface description is not a protobuf file descriptor"),
            Self::Message { method, message } => {
                write!(f, "method `{method}` uses the message `{message}`, which is not described")
            }
            Self::TooLong { len } => {
                write!(f, "an interface description has at most {MAX_LEN} bytes, this one has {len}")
            }
            Self::Services { count } => write!(f, "expected the description of one service, found {count}"),
        }
    }
}

impl std::error::Error for DescriptorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DecodeError> for DescriptorError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl Descriptor {
    /// Reads the one service of a file descriptor.
    ///
    /// # Errors
    ///
    /// The bytes are not a file descriptor, or not one of a single service whose messages it holds.
    pub fn parse(file: &[u8]) -> Result<Self, DescriptorError> {
        if file.len() > MAX_LEN {
            return Err(DescriptorError::TooLong { len: file.len() });
        }
        let mut package = String::new();
        let mut messages: Vec<Message> = Vec::new();
        let mut services = Vec::new();
        let mut reader = Reader::new(file);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => package = text(&field)?,
                4 => messages.push(Message::parse(field.bytes()?)?),
                6 => services.push(Service::parse(field.bytes()?)?),
                _ => {}
            }
        }
        let [service] = services.as_slice() else {
            return Err(DescriptorError::Services { count: services.len() });
        };
        let qualify =
            |name: &str| if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") };
        let messages: BTreeMap<String, Arc<[FieldDescriptor]>> = messages
            .into_iter()
            .map(|message| (format!(".{}", qualify(&message.name)), message.fields.into()))
            .collect();
        let fields = |method: &str, type_name: &str| {
            messages.get(type_name).cloned().ok_or_else(|| DescriptorError::Message {
                method: method.to_owned(),
                message: type_name.to_owned(),
            })
        };
        let methods = service.methods.iter().map(|[name, input, output]| {
            Ok(MethodDescriptor {
                name: name.clone(),
                arguments: fields(name, input)?,
                result: fields(name, output)?,
            })
        });
        Ok(Self {
            service: qualify(&service.name),
            version: String::new(),
            methods: methods.collect::<Result<_, DescriptorError>>()?,
        })
    }
}

struct Message {
    name: String,
    fields: Vec<FieldDescriptor>,
}

impl Message {
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut message = Self { name: String::new(), fields: Vec::new() };
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => message.name = text(&field)?,
                2 => message.fields.push(parse_field(field.bytes()?)?),
                _ => {}
            }
        }
        Ok(message)
    }
}

fn parse_field(bytes: &[u8]) -> Result<FieldDescriptor, DecodeError> {
    let mut parsed = FieldDescriptor::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => parsed.name = text(&field)?,
            3 => parsed.number = field.u32()?,
            5 => parsed.kind = field.u32()?,
            _ => {}
        }
    }
    Ok(parsed)
}

struct Service {
    name: String,
    /// Name, input type and output type of each method.
    methods: Vec<[String; 3]>,
}

impl Service {
    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut service = Self { name: String::new(), methods: Vec::new() };
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => service.name = text(&field)?,
                2 => service.methods.push(parse_method(field.bytes()?)?),
                _ => {}
            }
        }
        Ok(service)
    }
}

fn parse_method(bytes: &[u8]) -> Result<[String; 3], DecodeError> {
    let mut method = [String::new(), String::new(), String::new()];
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        if let 1..=3 = field.number {
            method[field.number as usize - 1] = text(&field)?;
        }
    }
    Ok(method)
}

fn text(field: &RawField<'_>) -> Result<String, DecodeError> {
    Ok(String::from_utf8_lossy(field.bytes()?).into_owned())
}

/// What a description may have at the most, so that reading one that was made up stays cheap.
const MAX_LEN: usize = 1 << 20;

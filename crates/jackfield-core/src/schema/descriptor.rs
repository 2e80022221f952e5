//! Reads an interface back from a protobuf `FileDescriptorProto`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::writer::{INTERFACE, OPTIONAL, STREAM};
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
    /// The messages that are described in the same file, by full name.
    pub messages: Arc<BTreeMap<String, MessageDescriptor>>,
    /// The enums that are described in the same file, by full name.
    pub enums: Arc<BTreeMap<String, EnumDescriptor>>,
    /// The other interfaces that are described in the same file.
    pub others: Vec<Self>,
    /// The files that it was read from: protobuf `FileDescriptorProto`s, for those who read more of them. The first
    /// describes the service, the others what that imports.
    pub files: Arc<[Bytes]>,
}

/// A method of a [`Descriptor`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodDescriptor {
    /// The name.
    pub name: String,
    /// The full name of the request.
    pub request: String,
    /// The full name of the response.
    pub response: String,
    /// What comes as a stream.
    pub streams: Streams,
    /// Whether the interface allows a plugin to lack it.
    pub is_optional: bool,
}

/// A message of a [`Descriptor`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageDescriptor {
    /// The fields.
    pub fields: Vec<FieldDescriptor>,
    /// Whether it is the entry of a map.
    pub is_entry: bool,
}

/// What of a method comes as a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, clippy::struct_excessive_bools, reason = "there are two directions")]
pub struct Streams {
    /// The requests.
    pub requests: bool,
    /// The responses.
    pub responses: bool,
}

/// A field of a [`MessageDescriptor`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a field may be both, or neither")]
pub struct FieldDescriptor {
    /// The name.
    pub name: String,
    /// The number.
    pub number: u32,
    /// The number of the type in protobuf (`FieldDescriptorProto.Type`), which may be one that no Rust type here has.
    pub kind: u32,
    /// The full name of the message or enum, where it is one.
    pub type_name: String,
    /// Whether it comes any number of times.
    pub is_repeated: bool,
    /// Whether it is told apart from its default.
    pub presence: Presence,
    /// The interface of which it is an object, where it is one.
    pub interface: String,
    /// Whether a plugin of Jackfield says that it is what comes again and again, each time in a message of its own.
    pub is_stream: bool,
    /// Whether it stands in a `oneof`, of whose fields one is there at the most.
    pub is_alternative: bool,
}

/// Whether a field that does not come is told apart from one that has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is a question with two answers")]
pub enum Presence {
    /// It is: the field is `optional`.
    Explicit,
    /// It is not.
    #[default]
    Implicit,
}

/// An enum of a [`Descriptor`]: the numbers of its variants, with their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnumDescriptor {
    /// The variants.
    pub variants: BTreeMap<i32, String>,
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
    /// The descriptor holds no service of this name.
    Service {
        /// The service.
        service: String,
    },
    /// A name is longer than any that is meant.
    Name {
        /// How many bytes it has, with its package.
        len: usize,
    },
    /// The description is longer than any interface's.
    TooLong {
        /// How many bytes it has.
        len: usize,
    },
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => f.write_str("the interface description is not a protobuf file descriptor"),
            Self::Message { method, message } => {
                write!(f, "method `{method}` uses the message `{message}`, which is not described")
            }
            Self::Service { service } if service.is_empty() => {
                f.write_str("expected the description of a service, found none")
            }
            Self::Service { service } => write!(f, "expected the description of `{service}`, found none"),
            Self::Name { len } => {
                write!(
                    f,
                    "a name in an interface description has at most {MAX_NAME} bytes, this one has {len}"
                )
            }
            Self::TooLong { len } => {
                write!(
                    f,
                    "an interface description has at most {MAX_LEN} bytes, and with all that it imports {MAX_ALL}, \
                     this one has {len}"
                )
            }
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
    /// Reads the first service of a file descriptor, which is the only one in most files.
    ///
    /// # Errors
    ///
    /// The bytes are not a file descriptor, or not one of a service whose messages it holds.
    pub fn parse(file: &[u8]) -> Result<Self, DescriptorError> {
        Self::choose(&[Bytes::copy_from_slice(file)], None)
    }

    /// Reads the service of this name, of several in one file.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), or there is none of this name.
    pub fn parse_service(file: &[u8], service: &str) -> Result<Self, DescriptorError> {
        Self::parse_files(&[Bytes::copy_from_slice(file)], service)
    }

    /// Reads the service of this name of the first file, whose types may be in the others, which it imports.
    ///
    /// # Errors
    ///
    /// As for [`parse_service`](Self::parse_service).
    pub fn parse_files(files: &[Bytes], service: &str) -> Result<Self, DescriptorError> {
        Self::choose(files, Some(service))
    }

    /// Reads all services of the first file, whose types may be in the others, which it imports.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), save that there may be none.
    pub fn parse_all(files: &[Bytes]) -> Result<Vec<Self>, DescriptorError> {
        let services = parse_files(files)?;
        let found = |index| {
            let mut others = services.clone();
            let found = others.remove(index);
            Self { others, ..found }
        };
        Ok((0..services.len()).map(found).collect())
    }

    fn choose(files: &[Bytes], service: Option<&str>) -> Result<Self, DescriptorError> {
        let mut services = parse_files(files)?;
        let index = services.iter().position(|found| service.is_none_or(|service| found.service == service));
        let Some(index) = index else {
            return Err(DescriptorError::Service { service: service.unwrap_or_default().to_owned() });
        };
        let mut found = services.remove(index);
        found.others = services;
        Ok(found)
    }

    /// The message of this full name.
    pub fn message(&self, name: &str) -> Option<&MessageDescriptor> {
        self.messages.get(name)
    }

    /// The entries of a field that is a map.
    pub(super) fn entry(&self, field: &FieldDescriptor) -> Option<&MessageDescriptor> {
        self.message(&field.type_name).filter(|message| message.is_entry)
    }

    /// The interface of this name, if the file describes it.
    pub(super) fn described(&self, service: &str) -> Option<&Self> {
        std::iter::once(self).chain(&self.others).find(|found| found.service == service)
    }
}

/// All services of the first file, with the types of all.
fn parse_files(files: &[Bytes]) -> Result<Vec<Descriptor>, DescriptorError> {
    let longest = files.iter().map(Bytes::len).max().unwrap_or_default();
    let all = files.iter().map(Bytes::len).sum();
    if longest > MAX_LEN || all > MAX_ALL {
        return Err(DescriptorError::TooLong { len: all });
    }
    let mut types = Types::default();
    let (mut first, mut rest) = (None, files.iter());
    if let Some(file) = rest.next() {
        first = Some(types.file(file)?);
    }
    for file in rest {
        types.file(file)?;
    }
    let (prefix, raw_services) = first.unwrap_or_default();
    let files: Arc<[Bytes]> = files.into();
    let (messages, enums) = (Arc::new(types.messages), Arc::new(types.enums));
    let services = raw_services.into_iter().map(|service| {
        let (service, methods) = parse_service(&prefix, service)?;
        for method in &methods {
            for message in [&method.request, &method.response] {
                if !messages.contains_key(message) {
                    let (method, message) = (method.name.clone(), message.clone());
                    return Err(DescriptorError::Message { method, message });
                }
            }
        }
        let (messages, enums, files) = (messages.clone(), enums.clone(), files.clone());
        Ok(Descriptor { service, methods, messages, enums, files, ..Descriptor::default() })
    });
    services.collect()
}

/// The types of a file, by full name.
#[derive(Default)]
struct Types {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Types {
    /// Takes the types of a file, and returns what stands before its names, and its services.
    fn file<'a>(&mut self, file: &'a [u8]) -> Result<(String, Vec<&'a [u8]>), DescriptorError> {
        let mut package = String::new();
        let (mut messages, mut enums, mut services) = (Vec::new(), Vec::new(), Vec::new());
        let mut reader = Reader::new(file);
        while let Some(field) = reader.next_field()? {
            match field.number {
                2 => package = text(&field)?,
                4 => messages.push(field.bytes()?),
                5 => enums.push(field.bytes()?),
                6 => services.push(field.bytes()?),
                _ => {}
            }
        }
        let prefix = if package.is_empty() { String::new() } else { qualify("", &package)? + "." };
        for message in messages {
            self.message(&prefix, message, 0)?;
        }
        for enumeration in enums {
            self.enumeration(&prefix, enumeration)?;
        }
        Ok((prefix, services))
    }

    fn message(&mut self, prefix: &str, bytes: &[u8], depth: u32) -> Result<(), DescriptorError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH }.into());
        }
        let (mut name, mut message) = (String::new(), MessageDescriptor::default());
        let (mut messages, mut enums) = (Vec::new(), Vec::new());
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => name = text(&field)?,
                2 => message.fields.push(parse_field(field.bytes()?)?),
                3 => messages.push(field.bytes()?),
                4 => enums.push(field.bytes()?),
                7 => message.is_entry = is_set(field.bytes()?, 7)?,
                _ => {}
            }
        }
        let name = qualify(prefix, &name)?;
        for nested in messages {
            self.message(&format!("{name}."), nested, depth + 1)?;
        }
        for nested in enums {
            self.enumeration(&format!("{name}."), nested)?;
        }
        self.messages.insert(name, message);
        Ok(())
    }

    fn enumeration(&mut self, prefix: &str, bytes: &[u8]) -> Result<(), DescriptorError> {
        let (mut name, mut parsed) = (String::new(), EnumDescriptor::default());
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => name = text(&field)?,
                2 => {
                    let (number, variant) = parse_variant(field.bytes()?)?;
                    parsed.variants.entry(number).or_insert(variant);
                }
                _ => {}
            }
        }
        self.enums.insert(qualify(prefix, &name)?, parsed);
        Ok(())
    }
}

pub(super) fn parse_variant(bytes: &[u8]) -> Result<(i32, String), DecodeError> {
    let (mut name, mut number) = (String::new(), 0);
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => name = text(&field)?,
            2 => number = field.varint()? as i32,
            _ => {}
        }
    }
    Ok((number, name))
}

fn parse_field(bytes: &[u8]) -> Result<FieldDescriptor, DecodeError> {
    let mut parsed = FieldDescriptor::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => parsed.name = text(&field)?,
            3 => parsed.number = field.u32()?,
            4 => parsed.is_repeated = field.u32()? == LABEL_REPEATED,
            5 => parsed.kind = field.u32()?,
            6 => parsed.type_name = type_name(&field)?,
            8 => {
                parsed.interface = option(field.bytes()?)?;
                parsed.is_stream = is_set(field.bytes()?, STREAM)?;
            }
            9 => parsed.is_alternative = true,
            17 if field.varint()? != 0 => parsed.presence = Presence::Explicit,
            _ => {}
        }
    }
    // An `optional` field is alone in a `oneof` that nobody wrote.
    parsed.is_alternative &= parsed.presence == Presence::Implicit;
    Ok(parsed)
}

/// Name and methods of a service.
fn parse_service(prefix: &str, bytes: &[u8]) -> Result<(String, Vec<MethodDescriptor>), DescriptorError> {
    let (mut name, mut real_name, mut methods) = (String::new(), String::new(), Vec::new());
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => name = text(&field)?,
            2 => methods.push(parse_method(field.bytes()?)?),
            3 => real_name = option(field.bytes()?)?,
            _ => {}
        }
    }
    Ok((if real_name.is_empty() { qualify(prefix, &name)? } else { real_name }, methods))
}

fn parse_method(bytes: &[u8]) -> Result<MethodDescriptor, DecodeError> {
    let mut method = MethodDescriptor::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => method.name = text(&field)?,
            2 => method.request = type_name(&field)?,
            3 => method.response = type_name(&field)?,
            4 => method.is_optional = is_set(field.bytes()?, OPTIONAL)?,
            5 => method.streams.requests = field.varint()? != 0,
            6 => method.streams.responses = field.varint()? != 0,
            _ => {}
        }
    }
    Ok(method)
}

/// A full name, which descriptors write with a dot before it.
pub(super) fn type_name(field: &RawField<'_>) -> Result<String, DecodeError> {
    Ok(text(field)?.trim_start_matches('.').to_owned())
}

/// Our own option with the name of an interface.
pub(super) fn option(options: &[u8]) -> Result<String, DecodeError> {
    let mut reader = Reader::new(options);
    while let Some(field) = reader.next_field()? {
        if field.number == INTERFACE {
            return text(&field);
        }
    }
    Ok(String::new())
}

pub(super) fn is_set(options: &[u8], number: u32) -> Result<bool, DecodeError> {
    let mut reader = Reader::new(options);
    while let Some(field) = reader.next_field()? {
        if field.number == number {
            return Ok(field.varint()? != 0);
        }
    }
    Ok(false)
}

pub(super) fn text(field: &RawField<'_>) -> Result<String, DecodeError> {
    Ok(String::from_utf8_lossy(field.bytes()?).into_owned())
}

/// A name with what stands before it. Each nested type repeats the names around it, so that long ones would add up.
fn qualify(prefix: &str, name: &str) -> Result<String, DescriptorError> {
    let len = prefix.len() + name.len();
    if len > MAX_NAME { Err(DescriptorError::Name { len }) } else { Ok(format!("{prefix}{name}")) }
}

/// How long a name may be, with its package and the types around it.
const MAX_NAME: usize = 1024;
/// What a description may have at the most, so that reading one that was made up stays cheap.
const MAX_LEN: usize = 1 << 20;
/// The same, with all that it imports.
const MAX_ALL: usize = 8 << 20;
/// How deep messages may be nested in a description.
const MAX_DEPTH: u32 = 100;
pub(super) const LABEL_REPEATED: u32 = 3;

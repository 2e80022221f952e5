//! Writes a description as a `.proto` file, for authors in other languages.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::descriptor::{LABEL_REPEATED, is_set, option, parse_variant, text, type_name as full_name};
use super::signature::type_name;
use super::writer::OPTIONAL;
use super::{Descriptor, Kind, MessageType, Schema, Shape, TypeName};
use crate::codec::{DecodeError, RawField, Reader};

impl Schema {
    /// The interface as a `.proto` file, with every type that it uses.
    ///
    /// ```
    /// use jackfield_core::{Error, Interface, interface};
    ///
    /// #[interface(service = "example.Adder", version = "1.0")]
    /// trait Adder {
    ///     fn add(&self, a: i64, b: i64) -> Result<i64, Error>;
    /// }
    ///
    /// let text = <dyn Adder as Interface>::SCHEMA.to_proto();
    /// assert!(text.contains("rpc Add(AddRequest) returns (AddResponse);"));
    /// ```
    pub fn to_proto(&'static self) -> String {
        write(self.service, self.version, &self.to_file_descriptor())
    }
}

impl Descriptor {
    /// The file that describes the interface as a `.proto` file. What it imports is imported there, too.
    ///
    /// Options are left out, save what a type or a method of Jackfield means, which becomes a comment.
    pub fn to_proto(&self) -> String {
        let file = self.files.first().map_or(&[][..], |file| file);
        write(&self.service, &self.version, file)
    }
}

fn write(service: &str, version: &str, file: &[u8]) -> String {
    let mut text = match version {
        "" => format!("// The interface `{service}`.\n"),
        version => format!("// The interface `{service}`, version {version}.\n"),
    };
    // A description is made of a file that was read already, or is written by this crate.
    let _infallible = File::read(file).and_then(|file| file.write(&mut text));
    text
}

/// A file, as far as it is written.
#[derive(Default)]
struct File<'a> {
    package: String,
    /// Nothing for `proto2`.
    syntax: String,
    imports: Vec<String>,
    messages: Vec<&'a [u8]>,
    enums: Vec<&'a [u8]>,
    services: Vec<&'a [u8]>,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut file = Self::default();
        each(bytes, |field| {
            match field.number {
                2 => file.package = text(field)?,
                3 => file.imports.push(text(field)?),
                4 => file.messages.push(field.bytes()?),
                5 => file.enums.push(field.bytes()?),
                6 => file.services.push(field.bytes()?),
                12 => file.syntax = text(field)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(file)
    }

    fn write(&self, out: &mut String) -> Result<(), DecodeError> {
        let syntax = if self.syntax.is_empty() { "proto2" } else { &self.syntax };
        line(out, 0, format_args!("syntax = \"{syntax}\";"));
        if !self.package.is_empty() {
            line(out, 0, format_args!("\npackage {};", self.package));
        }
        for (index, import) in self.imports.iter().enumerate() {
            let gap = if index == 0 { "\n" } else { "" };
            line(out, 0, format_args!("{gap}import \"{import}\";"));
        }
        self.services.iter().try_for_each(|service| self.service(out, service))?;
        for message in &self.messages {
            out.push('\n');
            self.message(out, message, 0)?;
        }
        for enumeration in &self.enums {
            out.push('\n');
            write_enum(out, enumeration, 0)?;
        }
        Ok(())
    }

    fn service(&self, out: &mut String, bytes: &[u8]) -> Result<(), DecodeError> {
        let (mut name, mut real_name, mut methods) = (String::new(), String::new(), Vec::new());
        each(bytes, |field| {
            match field.number {
                1 => name = text(field)?,
                2 => methods.push(field.bytes()?),
                3 => real_name = option(field.bytes()?)?,
                _ => {}
            }
            Ok(())
        })?;
        out.push('\n');
        if !real_name.is_empty() {
            line(out, 0, format_args!("// Its full name is `{real_name}`."));
        }
        line(out, 0, format_args!("service {name} {{"));
        methods.into_iter().try_for_each(|method| self.method(out, method))?;
        line(out, 0, format_args!("}}"));
        Ok(())
    }

    fn method(&self, out: &mut String, bytes: &[u8]) -> Result<(), DecodeError> {
        let (mut name, mut types, mut streams) = (String::new(), [const { String::new() }; 2], ["", ""]);
        let mut comment = "";
        each(bytes, |field| {
            match field.number {
                1 => name = text(field)?,
                2 => types[0] = self.local(full_name(field)?),
                3 => types[1] = self.local(full_name(field)?),
                4 if is_set(field.bytes()?, OPTIONAL)? => comment = " // may be lacking",
                5 if field.varint()? != 0 => streams[0] = "stream ",
                6 if field.varint()? != 0 => streams[1] = "stream ",
                _ => {}
            }
            Ok(())
        })?;
        let ([request, response], [sent, received]) = (types, streams);
        line(out, 1, format_args!("rpc {name}({sent}{request}) returns ({received}{response});{comment}"));
        Ok(())
    }

    fn message(&self, out: &mut String, bytes: &[u8], depth: usize) -> Result<(), DecodeError> {
        let mut name = String::new();
        let (mut fields, mut nested, mut enums, mut oneofs) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        each(bytes, |field| {
            match field.number {
                1 => name = text(field)?,
                2 => fields.push(FieldText::read(field.bytes()?)?),
                3 => nested.push(field.bytes()?),
                4 => enums.push(field.bytes()?),
                8 => oneofs.push(name_of(field.bytes()?)?),
                _ => {}
            }
            Ok(())
        })?;
        line(out, depth, format_args!("message {name} {{"));
        let mut entries = Vec::new();
        for message in nested {
            match Entry::read(message)? {
                Some(entry) => entries.push(entry),
                None => self.message(out, message, depth + 1)?,
            }
        }
        enums.into_iter().try_for_each(|bytes| write_enum(out, bytes, depth + 1))?;
        for (index, field) in fields.iter().enumerate() {
            match field.oneof {
                None => line(out, depth + 1, format_args!("{}", self.field(field, &entries))),
                // All fields of a oneof stand together, where the first of them stands.
                Some(oneof) if fields[..index].iter().all(|other| other.oneof != Some(oneof)) => {
                    let name = oneofs.get(oneof as usize).map_or("kind", String::as_str);
                    line(out, depth + 1, format_args!("oneof {name} {{"));
                    for field in fields.iter().filter(|field| field.oneof == Some(oneof)) {
                        line(out, depth + 2, format_args!("{}", self.field(field, &entries)));
                    }
                    line(out, depth + 1, format_args!("}}"));
                }
                Some(_) => {}
            }
        }
        line(out, depth, format_args!("}}"));
        Ok(())
    }

    fn field(&self, field: &FieldText, entries: &[Entry]) -> String {
        let entry = entries.iter().find(|entry| {
            field.type_name.rsplit('.').next() == Some(entry.name.as_str()) && field.label == LABEL_REPEATED
        });
        let ty = match entry {
            Some(Entry { key, value, .. }) => {
                format!("map<{}, {}>", self.type_text(key), self.type_text(value))
            }
            None => format!("{}{}", self.label(field), self.type_text(field)),
        };
        let comment = match field.interface.as_str() {
            "" => String::new(),
            interface => format!(" // an object of {interface}, by its number"),
        };
        format!("{ty} {} = {};{comment}", field.name, field.number)
    }

    fn label(&self, field: &FieldText) -> &'static str {
        match field.label {
            LABEL_REPEATED => "repeated ",
            _ if field.is_optional => "optional ",
            _ if !self.syntax.is_empty() || field.oneof.is_some() => "",
            LABEL_REQUIRED => "required ",
            _ => "optional ",
        }
    }

    fn type_text(&self, field: &FieldText) -> String {
        type_name(field.kind).map_or_else(|| self.local(field.type_name.clone()), str::to_owned)
    }

    /// A full name as this file refers to it.
    fn local(&self, name: String) -> String {
        match name.strip_prefix(&self.package).and_then(|rest| rest.strip_prefix('.')) {
            Some(local) if !self.package.is_empty() => local.to_owned(),
            _ => name,
        }
    }
}

/// A field, as far as it is written.
#[derive(Default)]
struct FieldText {
    name: String,
    number: u32,
    label: u32,
    kind: u32,
    type_name: String,
    interface: String,
    oneof: Option<u32>,
    is_optional: bool,
}

impl FieldText {
    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut parsed = Self::default();
        each(bytes, |field| {
            match field.number {
                1 => parsed.name = text(field)?,
                3 => parsed.number = field.u32()?,
                4 => parsed.label = field.u32()?,
                5 => parsed.kind = field.u32()?,
                6 => parsed.type_name = full_name(field)?,
                8 => parsed.interface = option(field.bytes()?)?,
                9 => parsed.oneof = Some(field.u32()?),
                17 => parsed.is_optional = field.varint()? != 0,
                _ => {}
            }
            Ok(())
        })?;
        // The oneof of an optional field is nothing that anybody writes.
        parsed.oneof = parsed.oneof.filter(|_| !parsed.is_optional);
        Ok(parsed)
    }
}

/// The message that the entries of a map are.
struct Entry {
    name: String,
    key: FieldText,
    value: FieldText,
}

impl Entry {
    /// `None` if it is another message.
    fn read(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut name, mut fields, mut is_entry) = (String::new(), Vec::new(), false);
        each(bytes, |field| {
            match field.number {
                1 => name = text(field)?,
                2 => fields.push(FieldText::read(field.bytes()?)?),
                7 => is_entry = is_set(field.bytes()?, 7)?,
                _ => {}
            }
            Ok(())
        })?;
        let pair: Result<[FieldText; 2], _> = fields.try_into();
        Ok(pair.ok().filter(|_| is_entry).map(|[key, value]| Self { name, key, value }))
    }
}

fn write_enum(out: &mut String, bytes: &[u8], depth: usize) -> Result<(), DecodeError> {
    let (mut name, mut variants) = (String::new(), Vec::new());
    each(bytes, |field| {
        match field.number {
            1 => name = text(field)?,
            2 => variants.push(parse_variant(field.bytes()?)?),
            _ => {}
        }
        Ok(())
    })?;
    line(out, depth, format_args!("enum {name} {{"));
    let numbers: BTreeSet<i32> = variants.iter().map(|(number, _)| *number).collect();
    if numbers.len() < variants.len() {
        line(out, depth + 1, format_args!("option allow_alias = true;"));
    }
    for (number, name) in variants {
        line(out, depth + 1, format_args!("{name} = {number};"));
    }
    line(out, depth, format_args!("}}"));
    Ok(())
}

fn name_of(bytes: &[u8]) -> Result<String, DecodeError> {
    let mut name = String::new();
    each(bytes, |field| {
        if field.number == 1 {
            name = text(field)?;
        }
        Ok(())
    })?;
    Ok(name)
}

/// Takes each field of a message.
fn each<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(&RawField<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        take(&field)?;
    }
    Ok(())
}

fn line(out: &mut String, depth: usize, text: fmt::Arguments<'_>) {
    // A string takes everything.
    let _infallible = writeln!(out, "{:1$}{text}", "", 2 * depth);
}

const LABEL_REQUIRED: u32 = 2;

/// The name of a message. That of a tuple is made of its fields' types.
struct Name(&'static MessageType);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name {
            TypeName::Named(name) => f.write_str(name),
            TypeName::Tuple => {
                f.write_str("Tuple")?;
                self.0.fields.iter().try_for_each(|field| match field.shape {
                    Shape::Interface(object) => f.write_str(object.schema().name()),
                    Shape::Map(key, value) => write!(f, "Map{}{}", Part(key), Part(value)),
                    Shape::Optional(kind) => write!(f, "Optional{}", Part(kind)),
                    Shape::Repeated(kind) => write!(f, "List{}", Part(kind)),
                    Shape::Singular(kind) => write!(f, "{}", Part(kind)),
                })
            }
        }
    }
}

/// A type as a part of a name: `Int64` for `int64`.
struct Part(Kind);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.to_string();
        let (first, rest) = name.split_at(1);
        write!(f, "{}{rest}", first.to_uppercase())
    }
}

/// The type as a `.proto` file names it.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(_) => f.write_str("uint32"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Optional(kind) => write!(f, "optional {kind}"),
            Self::Repeated(kind) => write!(f, "repeated {kind}"),
            Self::Singular(kind) => write!(f, "{kind}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Bytes => "bytes",
            Self::Double => "double",
            Self::Enum(ty) => ty.get().name,
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Message(ty) => return Name(ty.get()).fmt(f),
            Self::String => "string",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        })
    }
}

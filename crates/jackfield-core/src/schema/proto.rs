//! Writes a schema as a `.proto` file, for authors in other languages.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::reach::Reach;
use super::writer::{Form, prefix};
use super::{EnumType, Field, Kind, MessageType, Schema, Shape, TypeName};

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
        let mut text = String::new();
        // A string takes everything.
        let _infallible = File(self).write(&mut text);
        text
    }
}

/// A schema as a file.
struct File(&'static Schema);

impl File {
    fn write(&self, text: &mut String) -> fmt::Result {
        let schema = self.0;
        let reach = Reach::of(schema);
        writeln!(text, "// The interface `{}`, version {}.", schema.service, schema.version)?;
        writeln!(text, "syntax = \"proto3\";")?;
        if !schema.package().is_empty() {
            writeln!(text, "\npackage {};", schema.package())?;
        }
        let services: Vec<&'static Schema> =
            (0..reach.services.len).map(|index| reach.services.at(index)).collect();
        for (index, service) in services.iter().enumerate() {
            self.service(text, service, prefix(service, index))?;
        }
        for (index, service) in services.iter().enumerate() {
            for method in service.methods {
                for (suffix, fields) in [("Request", method.arguments), ("Response", method.result)] {
                    if !fields.is_empty() {
                        let name = format!("{}{}{suffix}", prefix(service, index), method.name);
                        message(text, &name, fields, Form::Fields)?;
                    }
                }
            }
        }
        for index in 0..reach.messages.len {
            let ty = reach.messages.at(index);
            message(text, &Name(ty).to_string(), ty.fields, Form::of(ty))?;
        }
        (0..reach.enums.len).try_for_each(|index| enumeration(text, reach.enums.at(index)))
    }

    fn service(&self, text: &mut String, schema: &'static Schema, prefix: &str) -> fmt::Result {
        writeln!(text)?;
        if schema.package() != self.0.package() {
            writeln!(text, "// Its full name is `{}`.", schema.service)?;
        }
        writeln!(text, "service {} {{", schema.name())?;
        for method in schema.methods {
            let name = |suffix, fields: &[Field]| {
                if fields.is_empty() {
                    "Empty".to_owned()
                } else {
                    format!("{prefix}{}{suffix}", method.name)
                }
            };
            let stream = |field: Option<&Field>| if field.is_some() { "stream " } else { "" };
            writeln!(
                text,
                "  rpc {}({}{}) returns ({}{});",
                method.name,
                stream(method.request_stream()),
                name("Request", method.arguments),
                stream(method.response_stream()),
                name("Response", method.result),
            )?;
        }
        writeln!(text, "}}")
    }
}

fn message(text: &mut String, name: &str, fields: &[Field], form: Form) -> fmt::Result {
    let is_oneof = form == Form::Oneof;
    writeln!(text, "\nmessage {name} {{")?;
    let indent = if is_oneof { "    " } else { "  " };
    if is_oneof {
        writeln!(text, "  oneof kind {{")?;
    }
    for field in fields {
        write!(text, "{indent}{} {} = {};", field.shape, field.name, field.number)?;
        match field.shape {
            Shape::Interface(object) => {
                writeln!(text, " // an object of {}, by its number", object.schema().service)?;
            }
            _ => writeln!(text)?,
        }
    }
    if is_oneof {
        writeln!(text, "  }}")?;
    }
    writeln!(text, "}}")
}

fn enumeration(text: &mut String, ty: &EnumType) -> fmt::Result {
    writeln!(text, "\nenum {} {{", ty.name)?;
    let numbers: BTreeSet<i32> = ty.variants.iter().map(|variant| variant.number).collect();
    if numbers.len() < ty.variants.len() {
        writeln!(text, "  option allow_alias = true;")?;
    }
    for variant in ty.variants {
        writeln!(text, "  {} = {};", variant.name, variant.number)?;
    }
    writeln!(text, "}}")
}

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

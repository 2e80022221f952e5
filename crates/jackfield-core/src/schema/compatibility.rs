//! Whether a plugin may serve a host: the rules of protobuf evolution.
//!
//! A plugin may have more than the host asks for: methods, and fields at the end of a message, which then hold
//! their defaults. It may not lack a method, an argument that the host sends, or a result that the host reads, and
//! it may retype a field only where the encodings agree
//! (<https://protobuf.dev/programming-guides/proto3/#updating>).

use std::fmt;

use super::descriptor::FieldDescriptor;
use super::{Descriptor, Field, Kind, Schema};

/// Why a plugin cannot serve a host's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incompatibility {
    /// The plugin's message lacks a field.
    Field {
        /// The method.
        method: &'static str,
        /// The field.
        field: &'static str,
        /// The field's number.
        number: u32,
    },
    /// The plugin lacks a method.
    Method {
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
    /// A field has another type.
    Type {
        /// The method.
        method: &'static str,
        /// The field.
        field: &'static str,
        /// The host's type.
        expected: &'static str,
        /// The plugin's type.
        found: &'static str,
    },
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { method, field, number } => {
                write!(f, "method `{method}`: the plugin lacks the field `{field}` (number {number})")
            }
            Self::Method { method } => write!(f, "the plugin lacks the method `{method}`"),
            Self::Service { expected, found } => {
                write!(f, "expected the interface `{expected}`, found `{found}`")
            }
            Self::Type { method, field, expected, found } => {
                write!(
                    f,
                    "method `{method}`: field `{field}` is `{expected}` at the host, but `{found}` in the plugin"
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
        for method in self.methods {
            let found = plugin.methods.iter().find(|found| found.name == method.name);
            let found = found.ok_or(Incompatibility::Method { method: method.name })?;
            check_fields(method.name, method.arguments, &found.arguments)?;
            check_fields(method.name, method.result, &found.result)?;
        }
        Ok(())
    }
}

fn check_fields(
    method: &'static str,
    host: &[Field],
    plugin: &[FieldDescriptor],
) -> Result<(), Incompatibility> {
    for field in host {
        let found = plugin.iter().find(|found| found.number == field.number);
        let missing = Incompatibility::Field { method, field: field.name, number: field.number };
        let found = found.ok_or(missing)?;
        if class(field.kind as u32) != class(found.kind) {
            let (expected, found) = (field.kind.name(), type_name(found.kind));
            return Err(Incompatibility::Type { method, field: field.name, expected, found });
        }
    }
    Ok(())
}

/// Types of one class read each other's encoding: a varint that does not fit is an error of its call, and a text is bytes.
fn class(kind: u32) -> u32 {
    const VARINTS: [Kind; 5] = [Kind::Bool, Kind::Int32, Kind::Int64, Kind::Uint32, Kind::Uint64];
    if VARINTS.iter().any(|varint| *varint as u32 == kind) {
        Kind::Int64 as u32
    } else if kind == Kind::String as u32 {
        Kind::Bytes as u32
    } else {
        kind
    }
}

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
    use super::super::{Method, Mode};
    use super::*;

    const fn schema(arguments: &'static [Field]) -> [Method; 1] {
        [Method { name: "Put", path: "/proto.KV/Put", mode: Mode::Async, arguments, result: &[] }]
    }

    fn check(host: &'static [Field], plugin: &'static [Field]) -> Result<(), String> {
        let of = |fields| Schema {
            service: "proto.KV",
            version: "1.0",
            methods: Box::leak(Box::new(schema(fields))),
        };
        let plugin = Descriptor::parse(&of(plugin).to_file_descriptor()).expect("our own description");
        of(host).check(&plugin).map_err(|error| error.to_string())
    }

    const KEY: Field = Field { name: "key", number: 1, kind: Kind::String };
    const SIZE: Field = Field { name: "size", number: 2, kind: Kind::Int64 };

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
        const NARROW: Field = Field { kind: Kind::Uint32, ..SIZE };
        const FLOAT: Field = Field { kind: Kind::Double, ..SIZE };
        assert_eq!(check(&[KEY, SIZE], &[KEY, NARROW]), Ok(()));
        let error = "method `Put`: field `size` is `int64` at the host, but `double` in the plugin";
        assert_eq!(check(&[KEY, SIZE], &[KEY, FLOAT]), Err(error.to_owned()));
    }

    #[test]
    fn a_missing_method_is_named() {
        let host = Schema { service: "proto.KV", version: "1.0", methods: Box::leak(Box::new(schema(&[]))) };
        let plugin = Descriptor { service: "proto.KV".to_owned(), ..Descriptor::default() };
        assert_eq!(host.check(&plugin), Err(Incompatibility::Method { method: "Put" }));
        let other = Descriptor { service: "proto.Log".to_owned(), ..Descriptor::default() };
        assert_eq!(
            host.check(&other).map_err(|error| error.to_string()),
            Err("expected the interface `proto.KV`, found `proto.Log`".to_owned())
        );
    }
}

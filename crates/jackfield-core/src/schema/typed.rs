//! Gives the methods of an interface that is known only at run time the types of their fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jackfield_abi::StaticRef;

use super::{
    Descriptor, EnumType, Field, FieldDescriptor, Kind, MessageDescriptor, MessageType, Method, Presence,
    Schema, Shape, TypeName, Variant,
};

/// A method of an interface that is known only at run time has something for which there is no type here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untyped {
    /// A field of a type that no Rust type has, or that is not described.
    Kind {
        /// The field.
        field: String,
        /// The type, such as `sint32`.
        kind: String,
    },
    /// A field that is an object.
    Object {
        /// The field.
        field: String,
    },
    /// A stream.
    Stream,
    /// More fields than anybody needs, as where many messages lead back to themselves.
    TooLarge,
}

impl fmt::Display for Untyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { field, kind } => write!(f, "the `{kind}` in the field `{field}`"),
            Self::Object { field } => write!(f, "the object `{field}`"),
            Self::Stream => f.write_str("a stream"),
            Self::TooLarge => {
                write!(f, "more than {MAX_FIELDS} fields, in messages that lead back to themselves")
            }
        }
    }
}

impl std::error::Error for Untyped {}

/// The methods of a schema that was made of this description, with the types of their fields.
pub(crate) fn typed(
    descriptor: &'static Descriptor,
    schema: &'static Schema,
) -> Vec<Result<Method, Untyped>> {
    let mut types = Types {
        descriptor,
        endless: endless(descriptor),
        messages: BTreeMap::new(),
        enums: BTreeMap::new(),
        made: 0,
    };
    let methods = descriptor.methods.iter().zip(schema.methods);
    let typed = methods.map(|(described, method)| {
        if described.streams.requests || described.streams.responses {
            return Err(Untyped::Stream);
        }
        let (arguments, result) =
            (types.fields(&described.request, 0)?, types.fields(&described.response, 0)?);
        Ok(Method { arguments, result, ..*method })
    });
    typed.collect()
}

/// The messages that lead back to themselves, or to such a one.
fn endless(descriptor: &Descriptor) -> BTreeSet<&str> {
    let mut endless: BTreeSet<_> = descriptor.messages.keys().map(String::as_str).collect();
    loop {
        let leads_on = |path: &&str| {
            let fields = descriptor.message(path).map_or(&[][..], |message| &message.fields);
            fields.iter().any(|field| field.kind == 11 && endless.contains(field.type_name.as_str()))
        };
        let left: BTreeSet<_> = endless.iter().copied().filter(leads_on).collect();
        if left.len() == endless.len() {
            return endless;
        }
        endless = left;
    }
}

/// The types that were made already: messages by their full name, and endless ones by how deep they are nested too.
///
/// What is made is never changed, so that a type cannot lead back to itself: it leads to one like it, as often as messages
/// are nested that anybody reads.
struct Types {
    descriptor: &'static Descriptor,
    endless: BTreeSet<&'static str>,
    messages: BTreeMap<(&'static str, usize), StaticRef<MessageType>>,
    enums: BTreeMap<&'static str, StaticRef<EnumType>>,
    /// How many fields.
    made: usize,
}

impl Types {
    /// The fields of a message.
    fn fields(&mut self, message: &str, depth: usize) -> Result<&'static [Field], Untyped> {
        let Some(MessageDescriptor { fields, .. }) = self.descriptor.message(message) else { return Ok(&[]) };
        self.made += fields.len();
        if self.made > MAX_FIELDS {
            return Err(Untyped::TooLarge);
        }
        let fields: Result<Vec<_>, _> = fields.iter().map(|field| self.field(field, depth)).collect();
        Ok(fields?.leak())
    }

    fn field(&mut self, field: &'static FieldDescriptor, depth: usize) -> Result<Field, Untyped> {
        if !field.interface.is_empty() {
            return Err(Untyped::Object { field: field.name.clone() });
        }
        let shape = match self.descriptor.entry(field) {
            Some(entry) => {
                let part = |number: u32| entry.fields.iter().find(|field| field.number == number);
                match (part(1), part(2)) {
                    (Some(key), Some(value)) if KEYS.contains(&key.kind) => {
                        Shape::Map(self.kind(key, depth)?, self.kind(value, depth)?)
                    }
                    _ => return Err(untyped(field, &field.type_name)),
                }
            }
            None => {
                let kind = self.kind(field, depth)?;
                // Inside of another, a message that is absent is no empty one, which could be full of others in turn.
                let is_inner = depth > 0 && matches!(kind, Kind::Message(_));
                match field.presence {
                    _ if field.is_repeated => Shape::Repeated(kind),
                    _ if is_inner => Shape::Optional(kind),
                    Presence::Implicit if !field.is_alternative => Shape::Singular(kind),
                    Presence::Explicit | Presence::Implicit => Shape::Optional(kind),
                }
            }
        };
        Ok(Field::new(&field.name, field.number, shape))
    }

    fn kind(&mut self, field: &'static FieldDescriptor, depth: usize) -> Result<Kind, Untyped> {
        Ok(match field.kind {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            8 => Kind::Bool,
            9 => Kind::String,
            11 => Kind::Message(self.message(field, depth + 1)?),
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => Kind::Enum(self.enumeration(field)?),
            other => {
                let kind = OTHERS.iter().find(|(number, _)| *number == other);
                return Err(untyped(field, kind.map_or("unknown type", |(_, name)| name)));
            }
        })
    }

    fn message(
        &mut self,
        field: &'static FieldDescriptor,
        depth: usize,
    ) -> Result<StaticRef<MessageType>, Untyped> {
        let path = field.type_name.as_str();
        if !self.descriptor.messages.contains_key(path) {
            return Err(untyped(field, path));
        }
        let key = (path, if self.endless.contains(path) { depth } else { 0 });
        if let Some(made) = self.messages.get(&key) {
            return Ok(*made);
        }
        let fields = if depth > DEEPEST { &[][..] } else { self.fields(path, depth)? };
        let name = TypeName::Named(path.rsplit('.').next().unwrap_or(path));
        let made = StaticRef::new(Box::leak(Box::new(MessageType { name, path, fields, is_oneof: false })));
        self.messages.insert(key, made);
        Ok(made)
    }

    fn enumeration(&mut self, field: &'static FieldDescriptor) -> Result<StaticRef<EnumType>, Untyped> {
        let name = field.type_name.as_str();
        if let Some(made) = self.enums.get(name) {
            return Ok(*made);
        }
        let described = self.descriptor.enums.get(name).ok_or_else(|| untyped(field, name))?;
        let variants = described.variants.iter().map(|(number, name)| Variant { name, number: *number });
        let variants = Vec::leak(variants.collect());
        let made = StaticRef::new(Box::leak(Box::new(EnumType { name, path: name, variants })));
        self.enums.insert(name, made);
        Ok(made)
    }
}

fn untyped(field: &FieldDescriptor, kind: &str) -> Untyped {
    Untyped::Kind { field: field.name.clone(), kind: kind.to_owned() }
}

/// How deep messages are read that are nested, as in protobuf's own libraries.
const DEEPEST: usize = 100;

/// How many fields the methods of an interface have, with those of their messages. What is made is kept for ever.
const MAX_FIELDS: usize = 100_000;

/// The types that a key of a map can have here.
const KEYS: [u32; 6] = [3, 4, 5, 8, 9, 13];

/// Protobuf's types that no Rust type has.
const OTHERS: [(u32, &str); 7] = [
    (6, "fixed64"),
    (7, "fixed32"),
    (10, "group"),
    (15, "sfixed32"),
    (16, "sfixed64"),
    (17, "sint32"),
    (18, "sint64"),
];

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
        FileDescriptorProto, MessageOptions, MethodDescriptorProto, ServiceDescriptorProto,
    };

    use super::*;
    use crate::Description;

    fn field(name: &str, number: i32, ty: Type, type_name: Option<&str>) -> FieldDescriptorProto {
        FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            r#type: Some(ty.into()),
            type_name: type_name.map(str::to_owned),
            ..Default::default()
        }
    }

    fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
        DescriptorProto { name: Some(name.to_owned()), field, ..Default::default() }
    }

    fn method(name: &str, request: &str) -> MethodDescriptorProto {
        MethodDescriptorProto {
            name: Some(name.to_owned()),
            input_type: Some(format!(".t.{request}")),
            output_type: Some(".t.Node".to_owned()),
            ..Default::default()
        }
    }

    /// A service with something of everything.
    fn description() -> Description {
        let repeated = |field| FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field };
        let alone = FieldDescriptorProto {
            oneof_index: Some(1),
            proto3_optional: Some(true),
            ..field("alone", 3, Type::String, None)
        };
        let either = FieldDescriptorProto { oneof_index: Some(0), ..field("either", 4, Type::Double, None) };
        let node = message(
            "Node",
            vec![
                field("next", 1, Type::Message, Some(".t.Node")),
                repeated(field("by_name", 2, Type::Message, Some(".t.Node.ByNameEntry"))),
                alone,
                either,
                repeated(field("colours", 5, Type::Enum, Some(".t.Colour"))),
                field("count", 6, Type::Int32, None),
            ],
        );
        let mut entry = message(
            "ByNameEntry",
            vec![field("key", 1, Type::String, None), field("value", 2, Type::Message, Some(".t.Node"))],
        );
        entry.options = Some(MessageOptions { map_entry: Some(true), ..Default::default() });
        let red =
            EnumValueDescriptorProto { name: Some("RED".to_owned()), number: Some(7), ..Default::default() };
        let file = FileDescriptorProto {
            package: Some("t".to_owned()),
            message_type: vec![
                DescriptorProto { nested_type: vec![entry], ..node },
                message("Odd", vec![field("zigzag", 1, Type::Sint32, None)]),
                message("Any", vec![field("any", 1, Type::Message, Some(".elsewhere.Any"))]),
            ],
            enum_type: vec![EnumDescriptorProto {
                name: Some("Colour".to_owned()),
                value: vec![red],
                ..Default::default()
            }],
            service: vec![ServiceDescriptorProto {
                name: Some("S".to_owned()),
                method: vec![
                    method("Put", "Node"),
                    method("Odd", "Odd"),
                    method("Any", "Any"),
                    MethodDescriptorProto { server_streaming: Some(true), ..method("All", "Node") },
                ],
                ..Default::default()
            }],
            ..Default::default()
        };
        Description::dynamic(&Descriptor::parse(&file.encode_to_vec()).expect("a service"))
    }

    /// A service whose messages, so many of them, all have a field of each.
    fn entangled(messages: i32) -> Description {
        let path = |number| format!(".t.M{number}");
        let to = |number: i32| field(&format!("m{number}"), number + 1, Type::Message, Some(&path(number)));
        let all = |number: i32| message(&path(number)[3..], (0..messages).map(to).collect());
        let file = FileDescriptorProto {
            package: Some("t".to_owned()),
            message_type: (0..messages).map(all).chain([message("Node", vec![])]).collect(),
            service: vec![ServiceDescriptorProto {
                name: Some("S".to_owned()),
                method: vec![method("Put", "M0")],
                ..Default::default()
            }],
            ..Default::default()
        };
        Description::dynamic(&Descriptor::parse(&file.encode_to_vec()).expect("a service"))
    }

    #[test]
    fn messages_that_lead_to_each_other_have_an_end() {
        let typed = |messages| {
            let interface = entangled(messages);
            interface.typed(&interface.schema().methods[0]).map(|method| method.arguments.len())
        };
        assert_eq!(typed(20), Ok(20));
        let error = typed(40).expect_err("40 messages of 40 fields, each of them a hundred deep");
        assert_eq!(error, Untyped::TooLarge);
        assert_eq!(error.to_string(), "more than 100000 fields, in messages that lead back to themselves");
    }

    #[test]
    fn each_field_has_its_type() {
        let interface = description();
        let put = interface.typed(&interface.schema().methods[0]).expect("all of it has types");
        assert_eq!((put.name, put.path), ("Put", "/t.S/Put"));
        let names: Vec<_> = put.arguments.iter().map(|field| (field.name, field.number)).collect();
        let expected = ["next", "by_name", "alone", "either", "colours", "count"];
        assert_eq!(names, expected.into_iter().zip(1..).collect::<Vec<_>>());
        let [next, by_name, alone, either, colours, count] = put.arguments else { panic!("{put:?}") };
        assert!(matches!(alone.shape, Shape::Optional(Kind::String)));
        assert!(matches!(either.shape, Shape::Optional(Kind::Double)));
        assert!(matches!(count.shape, Shape::Singular(Kind::Int32)));
        let Shape::Repeated(Kind::Enum(colour)) = colours.shape else { panic!("{colours:?}") };
        assert_eq!((colour.name, colour.variants), ("t.Colour", &[Variant { name: "RED", number: 7 }][..]));
        // It leads to one like it, as deep as anybody reads.
        let Shape::Map(Kind::String, Kind::Message(node)) = by_name.shape else { panic!("{by_name:?}") };
        let Shape::Singular(Kind::Message(mut inner)) = next.shape else { panic!("{next:?}") };
        assert!(std::ptr::eq(node.get(), inner.get()), "it is made once");
        assert!(matches!(inner.fields[2].shape, Shape::Optional(Kind::String)));
        for _ in 0..99 {
            assert_eq!((inner.path, inner.fields.len()), ("t.Node", put.result.len()));
            let Shape::Optional(Kind::Message(next)) = inner.fields[0].shape else { panic!("{inner:?}") };
            inner = next;
        }
    }

    #[test]
    fn what_has_no_type_is_named() {
        let interface = description();
        let schema = interface.schema();
        let why = |index: usize| interface.typed(&schema.methods[index]).expect_err("no type").to_string();
        assert_eq!(why(1), "the `sint32` in the field `zigzag`");
        assert_eq!(why(2), "the `elsewhere.Any` in the field `any`");
        assert_eq!(why(3), "a stream");
        static OTHER: Method = Method {
            name: "Save",
            path: "/jackfield.Save/Save",
            mode: super::super::Mode::Async,
            arguments: &[],
            result: &[],
            is_optional: false,
        };
        assert!(std::ptr::eq(interface.typed(&OTHER).expect("as it is"), &OTHER));
    }
}

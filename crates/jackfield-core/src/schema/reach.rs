//! Finds all types that an interface uses, in a constant.

use super::types::EMPTY;
use super::writer::prefix;
use super::{EnumType, Field, Kind, MessageType, Method, Schema, Shape, TypeName};

/// The types that an interface uses, each once, in the order in which they are met; the other interfaces that it
/// uses, and theirs.
pub(crate) struct Reach {
    pub(crate) services: List<Schema>,
    pub(crate) messages: List<MessageType>,
    pub(crate) enums: List<EnumType>,
}

impl Reach {
    /// Everything that `schema` uses, itself included.
    ///
    /// # Panics
    ///
    /// Two types have one name, or there are more than 256 of a sort.
    pub(crate) const fn of(schema: &'static Schema) -> Self {
        let mut reach = Self { services: List::new(), messages: List::new(), enums: List::new() };
        reach.service(schema);
        // Whatever is met is appended, so these loops end when nothing new was met.
        let (mut service, mut message) = (0, 0);
        while service < reach.services.len || message < reach.messages.len {
            if service < reach.services.len {
                reach.methods(reach.services.at(service));
                service += 1;
            } else {
                reach.fields(reach.messages.at(message).fields);
                message += 1;
            }
        }
        reach.check_names();
        reach
    }

    /// All names of the file are told apart: those of services, types, requests and responses.
    const fn check_names(&self) {
        let mut index = 0;
        while index < self.enums.len {
            self.check_name(self.enums.at(index).name);
            let mut other = 0;
            while other < self.messages.len {
                if let TypeName::Named(name) = self.messages.at(other).name {
                    clash_unless(!is_same(name, self.enums.at(index).name));
                }
                other += 1;
            }
            index += 1;
        }
        index = 0;
        while index < self.messages.len {
            if let TypeName::Named(name) = self.messages.at(index).name {
                self.check_name(name);
            }
            index += 1;
        }
    }

    /// A type's name is that of no service, request or response.
    const fn check_name(&self, name: &str) {
        let mut service = 0;
        while service < self.services.len {
            let schema = self.services.at(service);
            clash_unless(!is_same(name, schema.name()));
            let prefix = prefix(schema, service);
            let mut method = 0;
            while method < schema.methods.len() {
                let Method { name: own, arguments, result, .. } = &schema.methods[method];
                clash_unless(arguments.is_empty() || !is_concat(name, &[prefix, own, "Request"]));
                clash_unless(result.is_empty() || !is_concat(name, &[prefix, own, "Response"]));
                method += 1;
            }
            service += 1;
        }
    }

    const fn methods(&mut self, schema: &'static Schema) {
        let mut index = 0;
        while index < schema.methods.len() {
            let method = &schema.methods[index];
            self.fields(method.arguments);
            self.fields(method.result);
            if method.arguments.is_empty() || method.result.is_empty() {
                self.message(&EMPTY);
            }
            index += 1;
        }
    }

    const fn fields(&mut self, fields: &'static [Field]) {
        let mut index = 0;
        while index < fields.len() {
            match fields[index].shape {
                Shape::Interface(object) => self.service(object.schema()),
                Shape::Map(_, kind)
                | Shape::Optional(kind)
                | Shape::Repeated(kind)
                | Shape::Singular(kind) => {
                    self.kind(kind);
                }
            }
            index += 1;
        }
    }

    const fn service(&mut self, schema: &'static Schema) {
        let mut index = 0;
        while index < self.services.len {
            if is_same(self.services.at(index).service, schema.service) {
                return;
            }
            index += 1;
        }
        self.services.push(schema);
    }

    const fn kind(&mut self, kind: Kind) {
        match kind {
            Kind::Enum(ty) => self.enumeration(ty.get()),
            Kind::Message(ty) => self.message(ty.get()),
            _ => {}
        }
    }

    const fn message(&mut self, ty: &'static MessageType) {
        let mut index = 0;
        while index < self.messages.len {
            let other = self.messages.at(index);
            if is_same_message(other, ty) {
                clash_unless(is_same(other.path, ty.path));
                return;
            }
            index += 1;
        }
        self.messages.push(ty);
    }

    const fn enumeration(&mut self, ty: &'static EnumType) {
        let mut index = 0;
        while index < self.enums.len {
            let other = self.enums.at(index);
            if is_same(other.name, ty.name) {
                clash_unless(is_same(other.path, ty.path));
                return;
            }
            index += 1;
        }
        self.enums.push(ty);
    }
}

/// Whether two messages have one name.
const fn is_same_message(a: &MessageType, b: &MessageType) -> bool {
    match (a.name, b.name) {
        (TypeName::Named(a), TypeName::Named(b)) => is_same(a, b),
        (TypeName::Tuple, TypeName::Tuple) => is_same_tuple(a.fields, b.fields),
        _ => false,
    }
}

const fn is_same_tuple(a: &[Field], b: &[Field]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        let is_same = match (a[index].shape, b[index].shape) {
            (Shape::Map(a, x), Shape::Map(b, y)) => is_same_kind(a, b) && is_same_kind(x, y),
            (Shape::Optional(a), Shape::Optional(b))
            | (Shape::Repeated(a), Shape::Repeated(b))
            | (Shape::Singular(a), Shape::Singular(b)) => is_same_kind(a, b),
            _ => false,
        };
        if !is_same {
            return false;
        }
        index += 1;
    }
    true
}

const fn is_same_kind(a: Kind, b: Kind) -> bool {
    match (a, b) {
        (Kind::Enum(a), Kind::Enum(b)) => is_same(a.get().name, b.get().name),
        (Kind::Message(a), Kind::Message(b)) => is_same_message(a.get(), b.get()),
        _ => a.number() == b.number(),
    }
}

/// What the compiler says where two things of one file have one name.
#[expect(clippy::fn_params_excessive_bools, reason = "it is an assertion")]
const fn clash_unless(is_told_apart: bool) {
    assert!(
        is_told_apart,
        "two types of one interface have one name, or a type has that of the interface or of a method's request or \
         response: give it another by `#[value(name = \"...\")]`"
    );
}

/// `a == parts.concat()`, in a constant.
const fn is_concat(a: &str, parts: &[&str]) -> bool {
    let (a, mut at, mut part) = (a.as_bytes(), 0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            if at >= a.len() || a[at] != bytes[index] {
                return false;
            }
            at += 1;
            index += 1;
        }
        part += 1;
    }
    at == a.len()
}

/// `a == b` for texts, in a constant.
pub(crate) const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// A list that can grow in a constant.
pub(crate) struct List<T: 'static> {
    items: [Option<&'static T>; CAPACITY],
    pub(crate) len: usize,
}

impl<T> List<T> {
    const fn new() -> Self {
        Self { items: [None; CAPACITY], len: 0 }
    }

    pub(crate) const fn at(&self, index: usize) -> &'static T {
        match self.items[index] {
            Some(item) => item,
            None => panic!("the index is below the length"),
        }
    }

    const fn push(&mut self, item: &'static T) {
        assert!(self.len < CAPACITY, "an interface uses at most 256 types");
        self.items[self.len] = Some(item);
        self.len += 1;
    }
}

const CAPACITY: usize = 256;

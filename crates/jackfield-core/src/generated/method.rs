//! A method as a type, and what is said of it on both sides.

use jackfield_abi::{self as abi, MethodSpec};

use super::answer::Answer;
use super::arguments::Arguments;
use crate::Interface;
use crate::error::Fault;
use crate::schema::{Field, Method};

/// A method of an interface, as a type that has no values.
pub trait MethodOf: 'static {
    /// The interface.
    type Interface: Interface + ?Sized;
    /// The arguments after `&self`.
    type Arguments: Arguments;
    /// The result.
    type Output: Answer;
    /// The plugin's own error.
    type Fault: Fault;
    /// The place of the method in the schema.
    const INDEX: usize;
}

/// What the caller of a method gives, and what the method takes.
pub type Given<'a, M> = <<M as MethodOf>::Arguments as Arguments>::Given<'a>;

/// What the callee holds while the method runs.
pub type Held<'a, M> = <<M as MethodOf>::Arguments as Arguments>::Held<'a>;

pub(super) type Lend<M> = <<M as MethodOf>::Arguments as Arguments>::Lend;
pub(super) type Own<M> = <<M as MethodOf>::Arguments as Arguments>::Own;
pub(super) type Crossed<M> = <<M as MethodOf>::Output as Answer>::Cross;

/// Gives a method what it takes. It is called once.
#[inline(always)]
pub fn give<'s, M: MethodOf>(held: &'s mut Held<'_, M>) -> Given<'s, M> {
    M::Arguments::give(held)
}

/// The fields of a method's response.
pub const fn result<M: MethodOf>() -> &'static [Field] {
    M::Output::FIELDS
}

/// What a host expects of a method.
pub const fn spec<M: MethodOf>() -> MethodSpec {
    let method = method::<M>();
    let spec = MethodSpec::new::<Lend<M>, Crossed<M>>(method.name, method.mode, fields::<M>(), types::<M>());
    if method.is_optional { spec.optional() } else { spec }
}

/// What stands for the numbers of a method's arguments.
pub(super) const fn fields<M: MethodOf>() -> u64 {
    let arguments = method::<M>().arguments;
    let mut numbers = [0; 12];
    let mut index = 0;
    while index < arguments.len() {
        numbers[index] = arguments[index].number;
        index += 1;
    }
    abi::signature::fields(&numbers)
}

/// What stands for the types of a method's arguments and result in the schema.
pub(super) const fn types<M: MethodOf>() -> u32 {
    let method = method::<M>();
    abi::signature::types(&[all(method.arguments), all(method.result)])
}

/// What stands for the types of fields.
const fn all(fields: &[Field]) -> u64 {
    let mut number = 0;
    let mut index = 0;
    while index < fields.len() {
        number =
            abi::signature::tuple(&[number, fields[index].is_stream as u64, fields[index].shape.number()]);
        index += 1;
    }
    number
}

pub(super) const fn method<M: MethodOf>() -> &'static Method {
    &<M::Interface as Interface>::SCHEMA.methods[M::INDEX]
}

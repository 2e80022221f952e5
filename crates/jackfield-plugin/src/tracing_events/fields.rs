//! The fields of an event or span, as values that can be kept.

use std::fmt;

use jackfield_core::log::{Field, Value};
use tracing_core::field;

/// The fields of an event or span, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// What the field `message` says.
    pub(super) message: String,
    others: Vec<(&'static str, Kept)>,
}

impl Fields {
    /// The fields but for the message, lent.
    pub(super) fn lend(&self) -> Vec<Field<'_>> {
        self.others.iter().map(|(name, value)| Field::new(name, value.lend())).collect()
    }

    fn set(&mut self, field: &field::Field, value: Kept) {
        let name = field.name();
        if name == "message" {
            self.message = value.lend().to_string();
        } else if let Some((_, old)) = self.others.iter_mut().find(|(other, _)| *other == name) {
            *old = value;
        } else {
            self.others.push((name, value));
        }
    }
}

impl field::Visit for Fields {
    fn record_bool(&mut self, field: &field::Field, value: bool) {
        self.set(field, Kept::Plain(Value::Bool(value)));
    }

    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.set(field, Kept::Text(format!("{value:?}")));
        }
    }

    fn record_f64(&mut self, field: &field::Field, value: f64) {
        self.set(field, Kept::Plain(Value::Float(value)));
    }

    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.set(field, Kept::Plain(Value::Signed(value)));
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field, Kept::Text(value.to_owned()));
        }
    }

    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.set(field, Kept::Plain(Value::Unsigned(value)));
    }
}

/// A value without a borrow.
#[derive(Clone, Debug)]
enum Kept {
    Plain(Value<'static>),
    Text(String),
}

impl Kept {
    fn lend(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Text(text),
        }
    }
}

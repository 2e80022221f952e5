//! Log records in C layout, lent by a library to its host for one call.

use std::fmt;
use std::marker::PhantomData;

/// One event of a plugin's log.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub(crate) size: usize,
    pub(crate) level: u32,
    pub(crate) line: u32,
    pub(crate) target: Lent<'a, u8>,
    pub(crate) module: Lent<'a, u8>,
    pub(crate) file: Lent<'a, u8>,
    pub(crate) message: Lent<'a, u8>,
    pub(crate) fields: Lent<'a, Field<'a>>,
    pub(crate) spans: Lent<'a, Span<'a>>,
}

impl<'a> Record<'a> {
    /// A record without a place, fields or spans.
    pub fn new(level: Level, target: &'a str, message: &'a str) -> Self {
        Self {
            size: size_of::<Self>(),
            level: level as u32,
            line: 0,
            target: Lent::new(target.as_bytes()),
            module: Lent::new(&[]),
            file: Lent::new(&[]),
            message: Lent::new(message.as_bytes()),
            fields: Lent::new(&[]),
            spans: Lent::new(&[]),
        }
    }

    /// Says where in the source it was logged, as far as that is known.
    #[must_use]
    pub fn place(mut self, module: Option<&'a str>, file: Option<&'a str>, line: Option<u32>) -> Self {
        self.module = Lent::new(module.unwrap_or_default().as_bytes());
        self.file = Lent::new(file.unwrap_or_default().as_bytes());
        self.line = line.unwrap_or_default();
        self
    }

    /// Adds what else it carries.
    #[must_use]
    pub fn fields(mut self, fields: &'a [Field<'a>]) -> Self {
        self.fields = Lent::new(fields);
        self
    }

    /// Adds the spans in which it happened, from the outermost inwards.
    #[must_use]
    pub fn spans(mut self, spans: &'a [Span<'a>]) -> Self {
        self.spans = Lent::new(spans);
        self
    }

    /// How much it matters.
    pub fn level(&self) -> Level {
        Level::from_number(self.level).unwrap_or(Level::Error)
    }

    /// The part of the plugin that logged it.
    pub fn target(&self) -> &'a str {
        self.target.as_str()
    }

    /// The module that logged it, if it is known.
    pub fn module(&self) -> Option<&'a str> {
        Some(self.module.as_str()).filter(|module| !module.is_empty())
    }

    /// The source file, if it is known.
    pub fn file(&self) -> Option<&'a str> {
        Some(self.file.as_str()).filter(|file| !file.is_empty())
    }

    /// The line of the source file, if it is known.
    pub fn line(&self) -> Option<u32> {
        Some(self.line).filter(|line| *line != 0)
    }

    /// What it says.
    pub fn message(&self) -> &'a str {
        self.message.as_str()
    }

    /// What else it carries.
    pub fn field_list(&self) -> &'a [Field<'a>] {
        self.fields.as_slice()
    }

    /// The spans in which it happened, from the outermost inwards.
    pub fn span_list(&self) -> &'a [Span<'a>] {
        self.spans.as_slice()
    }
}

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something may fail.
    Warn = 2,
    /// Something that people want to know.
    Info = 3,
    /// Something that the plugin's author wants to know.
    Debug = 4,
    /// Everything else.
    Trace = 5,
}

impl Level {
    fn from_number(number: u32) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| *level as u32 == number)
    }
}

/// A span in which a record happened.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    pub(crate) name: Lent<'a, u8>,
    pub(crate) fields: Lent<'a, Field<'a>>,
}

impl<'a> Span<'a> {
    /// A span of this name.
    pub fn new(name: &'a str, fields: &'a [Field<'a>]) -> Self {
        Self { name: Lent::new(name.as_bytes()), fields: Lent::new(fields) }
    }

    /// The name.
    pub fn name(&self) -> &'a str {
        self.name.as_str()
    }

    /// What it carries.
    pub fn fields(&self) -> &'a [Field<'a>] {
        self.fields.as_slice()
    }
}

/// A named value of a record or span.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub(crate) name: Lent<'a, u8>,
    pub(crate) kind: u32,
    pub(crate) bits: u64,
    pub(crate) text: Lent<'a, u8>,
}

impl<'a> Field<'a> {
    /// A field.
    pub fn new(name: &'a str, value: Value<'a>) -> Self {
        let (kind, bits, text) = match value {
            Value::Text(text) => (0, 0, text),
            Value::Bool(value) => (1, value.into(), ""),
            Value::Signed(value) => (2, value as u64, ""),
            Value::Unsigned(value) => (3, value, ""),
            Value::Float(value) => (4, value.to_bits(), ""),
        };
        Self { name: Lent::new(name.as_bytes()), kind, bits, text: Lent::new(text.as_bytes()) }
    }

    /// The name.
    pub fn name(&self) -> &'a str {
        self.name.as_str()
    }

    /// The value. One of a kind that this version does not know is its text.
    pub fn value(&self) -> Value<'a> {
        match self.kind {
            1 => Value::Bool(self.bits != 0),
            2 => Value::Signed(self.bits as i64),
            3 => Value::Unsigned(self.bits),
            4 => Value::Float(f64::from_bits(self.bits)),
            _ => Value::Text(self.text.as_str()),
        }
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A truth value.
    Bool(bool),
    /// A number with a fraction.
    Float(f64),
    /// A number with a sign.
    Signed(i64),
    /// A text, or whatever has no kind of its own as a text.
    Text(&'a str),
    /// A number without a sign.
    Unsigned(u64),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Unsigned(value) => value.fmt(f),
        }
    }
}

/// A borrowed slice in C layout.
#[repr(C)]
pub(crate) struct Lent<'a, T> {
    pub(crate) data: *const T,
    pub(crate) len: usize,
    _borrow: PhantomData<&'a [T]>,
}

impl<'a, T> Lent<'a, T> {
    fn new(slice: &'a [T]) -> Self {
        Self { data: slice.as_ptr(), len: slice.len(), _borrow: PhantomData }
    }

    fn as_slice(&self) -> &'a [T] {
        // SAFETY: the only constructor took both fields from one slice, which is borrowed for as long as `'a`. A
        // record that crossed is lent for the call, and so is everything in it.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

impl<'a> Lent<'a, u8> {
    fn as_str(&self) -> &'a str {
        std::str::from_utf8(self.as_slice()).unwrap_or("<not UTF-8>")
    }
}

impl<T> Clone for Lent<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Lent<'_, T> {}

impl<T: fmt::Debug> fmt::Debug for Lent<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

// SAFETY: it is a shared borrow of `T`.
unsafe impl<T: Sync> Send for Lent<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Lent<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let values = [
            Value::Text("grün"),
            Value::Bool(true),
            Value::Signed(-1),
            Value::Unsigned(u64::MAX),
            Value::Float(0.5),
        ];
        for value in values {
            assert_eq!(Field::new("name", value).value(), value);
        }
        let fields = [Field::new("left", Value::Signed(3))];
        let spans = [Span::new("request", &fields)];
        let record = Record::new(Level::Warn, "kv::disk", "low")
            .place(Some("kv::disk"), Some("src/disk.rs"), Some(7))
            .fields(&fields)
            .spans(&spans);
        assert_eq!((record.level(), record.target(), record.message()), (Level::Warn, "kv::disk", "low"));
        assert_eq!((record.file(), record.line()), (Some("src/disk.rs"), Some(7)));
        assert_eq!(record.span_list()[0].fields()[0].name(), "left");
        assert_eq!(Record::new(Level::Info, "", "").line(), None);
    }
}

//! Reads protobuf fields from bytes that nobody has checked.

use std::fmt;

use super::write::{FIXED32, FIXED64, LENGTH, VARINT};

/// Reads the fields of one message, in the order in which they come.
///
/// ```
/// use jackfield_core::codec::Reader;
///
/// let mut reader = Reader::new(&[0x08, 0x96, 0x01]);
/// let field = reader.next_field().unwrap().unwrap();
/// assert_eq!((field.number, field.varint()), (1, Ok(150)));
/// assert!(reader.next_field().unwrap().is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    /// Reads `message`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message, read: 0 }
    }

    /// The next field, or `None` at the end.
    ///
    /// # Errors
    ///
    /// The bytes are not a message.
    pub fn next_field(&mut self) -> Result<Option<RawField<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..=MAX_NUMBER).contains(number));
        let Some(number) = number else { return Err(DecodeError::Number { number: key >> 3 }) };
        let content = match key & 7 {
            VARINT => Content::Varint(self.varint()?),
            FIXED64 => Content::Fixed64(self.fixed64()?),
            LENGTH => {
                let len = self.varint()?;
                let len = usize::try_from(len).map_err(|_| DecodeError::Truncated)?;
                let start = self.read;
                Content::Bytes { bytes: self.take(len)?, start }
            }
            FIXED32 => Content::Fixed32(self.fixed32()?),
            wire => return Err(DecodeError::WireType { wire: wire as u8 }),
        };
        Ok(Some(RawField { number, content }))
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// A number of 32 bits without its head.
    pub(crate) fn fixed32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A number of 64 bits without its head.
    pub(crate) fn fixed64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of variable length without its head.
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            if shift == 63 && byte > 1 {
                return Err(DecodeError::Varint);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        self.read += len;
        Ok(taken)
    }
}

/// Whether a message has a field of this number. Nothing is found behind damage, which is refused by whoever reads all of
/// the message.
pub fn has_field(message: &[u8], number: u32) -> bool {
    let mut reader = Reader::new(message);
    while let Ok(Some(field)) = reader.next_field() {
        if field.number == number {
            return true;
        }
    }
    false
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RawField<'a> {
    /// The field's number.
    pub number: u32,
    content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    Bytes { bytes: &'a [u8], start: usize },
    Fixed32(u32),
    Fixed64(u64),
    Varint(u64),
}

impl<'a> RawField<'a> {
    /// The content of a varint field.
    ///
    /// # Errors
    ///
    /// The field has another wire type.
    pub fn varint(&self) -> Result<u64, DecodeError> {
        match self.content {
            Content::Varint(value) => Ok(value),
            _ => Err(self.mismatch("a varint")),
        }
    }

    /// The content of a varint field as a number of 32 bits.
    pub(crate) fn u32(&self) -> Result<u32, DecodeError> {
        let error = DecodeError::Range { number: self.number, expected: "u32" };
        u32::try_from(self.varint()?).map_err(|_| error)
    }

    /// The content of a 32-bit field.
    ///
    /// # Errors
    ///
    /// The field has another wire type.
    pub fn fixed32(&self) -> Result<u32, DecodeError> {
        match self.content {
            Content::Fixed32(value) => Ok(value),
            _ => Err(self.mismatch("32 bits")),
        }
    }

    /// The content of a 64-bit field.
    ///
    /// # Errors
    ///
    /// The field has another wire type.
    pub fn fixed64(&self) -> Result<u64, DecodeError> {
        match self.content {
            Content::Fixed64(value) => Ok(value),
            _ => Err(self.mismatch("64 bits")),
        }
    }

    /// The content of a length-delimited field.
    ///
    /// # Errors
    ///
    /// The field has another wire type.
    pub fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        match self.content {
            Content::Bytes { bytes, .. } => Ok(bytes),
            _ => Err(self.mismatch("bytes")),
        }
    }

    /// The content of a length-delimited field as a text.
    pub(crate) fn text(&self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Text { number: self.number })
    }

    /// Where in the message the content of a length-delimited field stands.
    ///
    /// # Errors
    ///
    /// The field has another wire type.
    pub(crate) fn range(&self) -> Result<std::ops::Range<usize>, DecodeError> {
        match self.content {
            Content::Bytes { bytes, start } => Ok(start..start + bytes.len()),
            _ => Err(self.mismatch("bytes")),
        }
    }

    fn mismatch(&self, expected: &'static str) -> DecodeError {
        let found = match self.content {
            Content::Bytes { .. } => "bytes",
            Content::Fixed32(_) => "32 bits",
            Content::Fixed64(_) => "64 bits",
            Content::Varint(_) => "a varint",
        };
        DecodeError::Mismatch { number: self.number, expected, found }
    }
}

/// Bytes are not a message, or not the message that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// An object of another interface cannot be used as what it should be.
    Interface {
        /// Why not.
        reason: String,
    },
    /// A field has another wire type than its type in the schema.
    Mismatch {
        /// The field.
        number: u32,
        /// The expected content.
        expected: &'static str,
        /// The content that came.
        found: &'static str,
    },
    /// A field that must be there is absent.
    Missing {
        /// The field.
        number: u32,
    },
    /// A field number is outside 1 to 536870911.
    Number {
        /// The number.
        number: u64,
    },
    /// A number does not fit its type.
    Range {
        /// The field.
        number: u32,
        /// The type.
        expected: &'static str,
    },
    /// A text is not UTF-8.
    Text {
        /// The field.
        number: u32,
    },
    /// Messages are nested deeper than anybody means.
    TooDeep {
        /// How deep they may be nested.
        limit: u32,
    },
    /// The bytes end inside a field.
    Truncated,
    /// An enum has no such variant here: it comes from a newer version of the interface.
    Variant {
        /// The enum.
        ty: &'static str,
        /// The variant's number.
        number: i64,
    },
    /// A varint has more than 64 bits.
    Varint,
    /// A wire type that does not exist, or a group.
    WireType {
        /// The wire type.
        wire: u8,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface { reason } => write!(f, "an object cannot be used: {reason}"),
            Self::Mismatch { number, expected, found } => {
                write!(f, "field {number} should be {expected}, but is {found}")
            }
            Self::Missing { number } => write!(f, "field {number} is missing"),
            Self::Number { number } => write!(f, "{number} is no field number"),
            Self::Range { number, expected } => write!(f, "field {number} does not fit a `{expected}`"),
            Self::Text { number } => write!(f, "field {number} should be a text, but is not UTF-8"),
            Self::TooDeep { limit } => write!(f, "messages are nested more than {limit} deep"),
            Self::Truncated => f.write_str("the message ends inside a field"),
            Self::Variant { ty, number } => {
                write!(f, "`{ty}` has no variant of the number {number} in this version of the interface")
            }
            Self::Varint => f.write_str("a number has more than 64 bits"),
            Self::WireType { wire } => write!(f, "there is no wire type {wire}"),
        }
    }
}

impl std::error::Error for DecodeError {}

const MAX_NUMBER: u32 = (1 << 29) - 1;

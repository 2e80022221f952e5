//! The errors of a call: what the plugin said, and that no answer came.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{DecodeError, Reader, Singular, decode_alone, write};
use crate::schema::{Kind, TypeName};

/// Why a call has no result.
///
/// `?` converts both halves, and I/O errors into the plugin's half:
///
/// ```
/// use jackfield_core::{Error, Failure};
///
/// fn read(path: &str) -> Result<String, Error> {
///     if path.is_empty() {
///         return Err(Failure::new("the path is empty").into());
///     }
///     Ok(std::fs::read_to_string(path)?)
/// }
///
/// assert!(matches!(read("").unwrap_err(), Error::Plugin(failure) if failure.message() == "the path is empty"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the two halves are the whole point; a third would be a new design"
)]
pub enum Error<E = Failure> {
    /// No answer came, or none that could be understood.
    Call(CallError),
    /// The plugin answered: no.
    Plugin(E),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Plugin(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Plugin(error) => error.source(),
        }
    }
}

impl<E> From<CallError> for Error<E> {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl<E: Fault> From<E> for Error<E> {
    fn from(error: E) -> Self {
        Self::Plugin(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Plugin(error.into())
    }
}

/// An error of a plugin's own that can cross. The derive for user types implements it.
pub trait Fault: std::error::Error + Send + Sync + Sized + 'static {
    /// What crosses.
    fn into_failure(self) -> Failure;

    /// The error that crossed. A plugin of another version may have sent one that this type cannot hold: then it is
    /// the failure itself that is left.
    ///
    /// # Errors
    ///
    /// The failure, unchanged.
    fn from_failure(failure: Failure) -> Result<Self, Failure>;
}

/// What a plugin says when it says no: a message for people and a code for programs.
///
/// It is what a gRPC status is (<https://grpc.io/docs/guides/status-codes/>), so it crosses every wire unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: Code,
    message: String,
    detail: Option<Detail>,
}

impl Failure {
    /// A failure with this message and the code [`Code::UNKNOWN`].
    pub fn new(message: impl Into<String>) -> Self {
        Self::with_code(Code::UNKNOWN, message)
    }

    /// A failure with this code and message.
    ///
    /// ```
    /// use jackfield_core::{Code, Failure};
    ///
    /// let failure = Failure::with_code(Code::NOT_FOUND, "no such key: `a`");
    /// assert_eq!(failure.to_string(), "no such key: `a`");
    /// assert_eq!(failure.code().name(), "NotFound");
    /// ```
    pub fn with_code(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the error itself is in it, beside its code and message.
    pub fn has_detail(&self) -> bool {
        self.detail.is_some()
    }

    /// The failure as a `google.rpc.Status` message, with the error itself as its detail.
    pub fn encode(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        write::varint_field(&mut buffer, 1, self.code.0.into());
        if !self.message.is_empty() {
            write::bytes_field(&mut buffer, 2, self.message.as_bytes());
        }
        if let Some(detail) = &self.detail {
            write::nested(&mut buffer, 3, |any| {
                write::bytes_field(any, 1, format!("{TYPE_PREFIX}{}", detail.ty).as_bytes());
                write::bytes_field(any, 2, &detail.value);
            });
        }
        buffer
    }

    /// Reads a `google.rpc.Status` message, and of its details the first.
    ///
    /// # Errors
    ///
    /// The bytes are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut failure = Self::new("");
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => failure.code = Code(field.u32()?),
                2 => failure.message = String::from_utf8_lossy(field.bytes()?).into_owned(),
                3 if failure.detail.is_none() => failure.detail = Some(Detail::decode(field.bytes()?)?),
                _ => {}
            }
        }
        Ok(failure)
    }

    /// Adds the error itself, as a message.
    #[doc(hidden)]
    #[must_use]
    pub fn with_detail<V: Singular>(mut self, error: &V) -> Self {
        let mut field = Vec::new();
        error.encode_always(1, &mut field);
        let mut detail = Detail { ty: type_name(V::KIND).to_owned(), value: Bytes::new() };
        if let Ok(Some(field)) = Reader::new(&field).next_field() {
            // An enum without data is no message; it stands as the only field of one.
            detail.value = field.bytes().map_or_else(|_| field_of(error), Bytes::copy_from_slice);
        }
        self.detail = Some(detail);
        self
    }

    /// The error itself, if it is of this type.
    #[doc(hidden)]
    pub fn detail<V: Singular>(&self) -> Option<V> {
        let detail = self.detail.as_ref().filter(|detail| detail.ty == type_name(V::KIND))?;
        if let Kind::Enum(_) = V::KIND {
            return decode_alone(&detail.value).ok();
        }
        let mut field = Vec::new();
        write::bytes_field(&mut field, 1, &detail.value);
        decode_alone(&field.into()).ok()
    }
}

fn field_of<V: Singular>(value: &V) -> Bytes {
    let mut message = Vec::new();
    value.encode_always(1, &mut message);
    message.into()
}

/// An error as a message: a `google.protobuf.Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    ty: String,
    value: Bytes,
}

impl Detail {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut detail = Self { ty: String::new(), value: Bytes::new() };
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => {
                    let url = String::from_utf8_lossy(field.bytes()?).into_owned();
                    detail.ty = url.rsplit('/').next().unwrap_or_default().to_owned();
                }
                2 => detail.value = Bytes::copy_from_slice(field.bytes()?),
                _ => {}
            }
        }
        Ok(detail)
    }
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Enum(ty) => ty.get().name,
        Kind::Message(ty) => match ty.get().name {
            TypeName::Named(name) => name,
            TypeName::Tuple => "",
        },
        _ => "",
    }
}

/// What stands before the type's name in a `google.protobuf.Any`.
const TYPE_PREFIX: &str = "type.googleapis.com/";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Fault for Failure {
    fn into_failure(self) -> Failure {
        self
    }

    fn from_failure(failure: Failure) -> Result<Self, Failure> {
        Ok(failure)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// A gRPC status code. Codes that have no name here are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(u32);

impl Code {
    /// The code of this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The name that Go's grpc prints, or `Code(n)`.
    pub fn name(self) -> String {
        match NAMES.get(self.0 as usize) {
            Some(name) => (*name).to_owned(),
            None => format!("Code({})", self.0),
        }
    }
}

macro_rules! codes {
    ($($constant:ident = $number:literal $name:literal),* $(,)?) => {
        #[doc = "The codes of the gRPC specification."]
        impl Code {
            $(#[doc = concat!("`", $name, "`.")] pub const $constant: Self = Self($number);)*
        }

        const NAMES: &[&str] = &[$($name),*];
    };
}

codes! {
    OK = 0 "OK", CANCELLED = 1 "Canceled", UNKNOWN = 2 "Unknown", INVALID_ARGUMENT = 3 "InvalidArgument",
    DEADLINE_EXCEEDED = 4 "DeadlineExceeded", NOT_FOUND = 5 "NotFound", ALREADY_EXISTS = 6 "AlreadyExists",
    PERMISSION_DENIED = 7 "PermissionDenied", RESOURCE_EXHAUSTED = 8 "ResourceExhausted",
    FAILED_PRECONDITION = 9 "FailedPrecondition", ABORTED = 10 "Aborted", OUT_OF_RANGE = 11 "OutOfRange",
    UNIMPLEMENTED = 12 "Unimplemented", INTERNAL = 13 "Internal", UNAVAILABLE = 14 "Unavailable",
    DATA_LOSS = 15 "DataLoss", UNAUTHENTICATED = 16 "Unauthenticated",
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// No answer came from the plugin, or none that could be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// As many calls of the plugin are in flight, and wait, as its host allows. It was not called.
    Busy {
        /// How many may be in flight.
        calls: usize,
        /// How many may wait.
        queue: usize,
    },
    /// The plugin is not there: it was unloaded, or the connection to it has ended.
    Closed {
        /// What is known of the end.
        reason: String,
    },
    /// The deadline of the call came before its answer. Its future was dropped, which the plugin hears.
    DeadlineExceeded {
        /// The method's path on the wire.
        method: String,
    },
    /// The plugin's process ended, by itself or by a signal.
    Exited {
        /// The exit status, as the operating system words it.
        status: String,
        /// The plugin's own last words: the crash's first line where one is recognised, or the tail of its stderr.
        words: String,
    },
    /// A message could not be decoded.
    Malformed {
        /// What was expected and what was found.
        reason: String,
    },
    /// The method panicked. The plugin goes on.
    Panicked {
        /// The panic's message and, where it is known, its place.
        message: String,
    },
    /// A message is larger than one of the two sides allows. It was not delivered; other calls go on.
    TooLarge {
        /// How many bytes it has.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
    /// So many calls in a row got no answer that the host makes none for a while. The plugin was not called.
    Tripped {
        /// How many calls got no answer.
        errors: u32,
        /// What became of the last of them.
        last: String,
        /// After what time the plugin is called again. It is zero while one call tries it.
        left: Duration,
    },
    /// The plugin has no such method.
    Unimplemented {
        /// The method's path on the wire.
        method: String,
    },
    /// The wire failed in a way of its own.
    Wire {
        /// What happened.
        reason: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { calls, queue } => write!(
                f,
                "the plugin is busy: {calls} calls are in flight and {queue} wait, as many as may\n(hint: `Limits` \
                 says how many)"
            ),
            Self::Closed { reason } => write!(f, "the plugin is closed: {reason}"),
            Self::DeadlineExceeded { method } => {
                write!(f, "the deadline of the call of `{method}` came before its answer")
            }
            Self::Exited { status, words } if words.is_empty() => write!(f, "the plugin ended: {status}"),
            Self::Exited { status, words } => write!(f, "the plugin ended: {status}: {words}"),
            Self::Malformed { reason } => write!(f, "a message could not be decoded: {reason}"),
            Self::Panicked { message } => write!(f, "the plugin panicked: {message}"),
            Self::TooLarge { size, limit } => write!(
                f,
                "a message of {size} bytes is over the limit of {limit} bytes\n(hint: raise `max_message` on the side \
                 that has this limit, or send what is large as a stream)"
            ),
            Self::Tripped { errors, last, left } => {
                write!(
                    f,
                    "the plugin left {errors} calls in a row without an answer, and is not called for "
                )?;
                match left.is_zero() {
                    true => f.write_str("as long as one call tries it")?,
                    false => write!(f, "another {left:.1?}")?,
                }
                write!(f, ": {last}")
            }
            Self::Unimplemented { method } => write!(
                f,
                "the plugin has no method `{method}`\n(hint: it was built for another version of the interface)"
            ),
            Self::Wire { reason } => write!(f, "the connection to the plugin failed: {reason}"),
        }
    }
}

impl std::error::Error for CallError {}

impl From<DecodeError> for CallError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_crosses_unchanged() {
        for failure in [
            Failure::new(""),
            Failure::with_code(Code::NOT_FOUND, "no `ä`"),
            Failure::with_code(Code(99), "x"),
        ] {
            assert_eq!(Failure::decode(&failure.encode()), Ok(failure));
        }
    }

    #[test]
    fn codes_have_gos_names() {
        assert_eq!(Code::CANCELLED.name(), "Canceled");
        assert_eq!(Code(17).name(), "Code(17)");
    }
}

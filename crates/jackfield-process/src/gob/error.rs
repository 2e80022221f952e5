//! Why a stream of gobs cannot be read.

use std::sync::Arc;

/// What came is not a stream of gobs, or not one that is accepted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GobError {
    /// The bytes are malformed, or a value does not fit the type it is read as.
    #[error(transparent)]
    Codec(Arc<gobwire::Error>),
    /// A message is longer than this end accepts.
    #[error(
        "expected a message of at most {limit} bytes, found one of {length}\n(hint: `max_message` allows more)"
    )]
    Length {
        /// What the message says.
        length: usize,
        /// What is accepted.
        limit: usize,
    },
    /// The stream does not begin as one of gobs does.
    #[error("expected a stream of gobs, found `{found}`\n(hint: something else prints to it)")]
    Noise {
        /// Its beginning.
        found: String,
    },
    /// A value comes in more pieces than any program sends.
    #[error("expected a value in at most {limit} messages, found more")]
    Pieces {
        /// What is accepted.
        limit: usize,
    },
    /// The other end defines more types than any program has.
    #[error("expected at most {limit} definitions of types, found more")]
    Types {
        /// What is accepted.
        limit: usize,
    },
}

impl From<gobwire::Error> for GobError {
    fn from(error: gobwire::Error) -> Self {
        Self::Codec(Arc::new(error))
    }
}

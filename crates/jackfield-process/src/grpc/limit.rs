//! How large a message may be.

use jackfield_core::{CallError, CallOptions};

/// How many bytes a message may have, sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    bytes: usize,
}

impl Limit {
    /// So many bytes, or as many as go-plugin allows if that is less.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes: bytes.min(MAX_MESSAGE) }
    }

    /// The limit of a call with these options, where there is this one without them.
    pub(crate) fn of_call(self, options: Option<&CallOptions>) -> Self {
        options.and_then(CallOptions::message_limit).map_or(self, Self::new)
    }

    /// Refuses a message of `size` bytes that is too large.
    pub(crate) fn check(self, size: usize) -> Result<(), CallError> {
        if size > self.bytes { Err(CallError::TooLarge { size, limit: self.bytes }) } else { Ok(()) }
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self { bytes: MAX_MESSAGE }
    }
}

/// As in Go.
const MAX_MESSAGE: usize = i32::MAX as usize;

//! What a server says when it says no.

use std::fmt;

/// What a server says when it says no: a text, and to those who look for it what stands behind it.
///
/// net/rpc itself has a text only. What else this crate says stands beside it, where Go's programs pass over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    pub(super) words: String,
    /// An encoded `google.rpc.Status`; empty if there is none.
    pub(crate) failure: Vec<u8>,
    /// With what the method panicked, if it did.
    pub(crate) panic: String,
}

impl Refusal {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    /// The text.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Whether there is nothing but the text.
    pub(crate) fn is_plain(&self) -> bool {
        self.failure.is_empty() && self.panic.is_empty()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

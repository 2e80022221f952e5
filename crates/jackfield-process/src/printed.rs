//! Where what a plugin prints goes, as opposed to what it logs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Which of its two outputs a plugin printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// Its standard error, where the plugin's language passes it on.
    Stderr,
    /// Its standard output.
    Stdout,
}

/// Takes what a plugin prints.
#[derive(Clone, Default)]
pub(crate) enum Printed {
    /// Hands it to the host's own function.
    #[expect(clippy::type_complexity, reason = "a name would say no more than the type")]
    Function(Arc<dyn Fn(Stream, &[u8]) + Send + Sync>),
    /// Makes it an event of `tracing`.
    #[default]
    Log,
}

impl Printed {
    /// Takes a piece, cut anywhere.
    pub(crate) fn take(&self, stream: Stream, bytes: &[u8]) {
        match self {
            Self::Function(function) => {
                let taken = catch_unwind(AssertUnwindSafe(|| function(stream, bytes)));
                if taken.is_err() {
                    tracing::error!("what takes a plugin's output panicked");
                }
            }
            Self::Log => {
                let text = String::from_utf8_lossy(bytes);
                tracing::debug!(target: "jackfield::plugin", ?stream, "{}", text.trim_end());
            }
        }
    }
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function(_) => "Function",
            Self::Log => "Log",
        })
    }
}

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
                if catch_unwind(AssertUnwindSafe(|| function(stream, bytes))).is_err() {
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

/// Takes what a plugin writes to its standard error, beside the log that is made of it.
#[derive(Clone, Default)]
pub(crate) struct Stderr {
    #[expect(clippy::type_complexity, reason = "a name would say no more than the type")]
    take: Option<Arc<dyn Fn(&[u8]) + Send + Sync>>,
}

impl Stderr {
    /// Hands it to the host's own function.
    pub(crate) fn new(take: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self { take: Some(Arc::new(take)) }
    }

    /// Takes a piece, cut anywhere.
    pub(crate) fn take(&self, bytes: &[u8]) {
        let Some(take) = &self.take else { return };
        if catch_unwind(AssertUnwindSafe(|| take(bytes))).is_err() {
            tracing::error!("what takes a plugin's standard error panicked");
        }
    }
}

impl fmt::Debug for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stderr").field("is_taken", &self.take.is_some()).finish()
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

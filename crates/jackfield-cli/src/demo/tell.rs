//! Prints the demo's lines.

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write as _;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Text,
}

/// Prints numbered lines.
#[derive(Debug)]
pub(crate) struct Tell {
    format: Format,
    line: Cell<u32>,
}

impl Tell {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, line: Cell::new(0) }
    }

    /// Prints what was done and what came of it.
    ///
    /// # Errors
    ///
    /// Nobody reads any more.
    pub(crate) fn line(&self, what: &str, outcome: impl Display) -> std::io::Result<()> {
        let line = self.line.get() + 1;
        self.line.set(line);
        match self.format {
            Format::Text => writeln!(std::io::stdout(), "{line:>2}. {what:<44} {outcome}"),
            Format::Json => {
                let outcome = outcome.to_string();
                let object = serde_json::json!({ "line": line, "what": what, "outcome": outcome });
                writeln!(std::io::stdout(), "{object}")
            }
        }
    }
}

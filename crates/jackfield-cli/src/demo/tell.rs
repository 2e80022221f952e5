//! Prints the demo's lines.

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::table::Table;

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
        let line = self.next();
        match self.format {
            Format::Text => writeln!(std::io::stdout(), "{line:>2}. {what:<44} {outcome}"),
            Format::Json => {
                let outcome = outcome.to_string();
                let object = json!({ "line": line, "what": what, "outcome": outcome });
                writeln!(std::io::stdout(), "{object}")
            }
        }
    }

    /// Prints a table, or each of its rows as an object.
    ///
    /// # Errors
    ///
    /// Nobody reads any more.
    pub(crate) fn table<const N: usize>(
        &self,
        table: &Table<N>,
        rows: impl IntoIterator<Item = Value>,
    ) -> std::io::Result<()> {
        if self.format == Format::Text {
            return writeln!(std::io::stdout(), "{table}");
        }
        for mut row in rows {
            row["line"] = self.next().into();
            writeln!(std::io::stdout(), "{row}")?;
        }
        Ok(())
    }

    /// The number of the next line.
    fn next(&self) -> u32 {
        self.line.set(self.line.get() + 1);
        self.line.get()
    }
}

//! Prints what was measured.

use std::io::Write;

/// Prints one JSON object on a line of its own.
///
/// # Errors
///
/// Nobody reads it.
pub fn print(result: &serde_json::Value) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{result}")
}

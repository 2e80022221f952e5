//! What the fuzz targets reach of this crate. It exists under `cfg(fuzzing)` alone.

use crate::{elf, macho, pe};

/// Reads a file's tables in each format, and holds what was read against the file.
///
/// # Panics
///
/// Something was read that the file does not hold.
pub fn tables(bytes: &[u8]) {
    for read in [elf::read, macho::read, pe::read] {
        let Ok(tables) = read(bytes) else { continue };
        assert!(
            tables.note.as_ref().is_none_or(|note| note.len() <= bytes.len()),
            "a note longer than the file"
        );
        let last = tables.extent().saturating_sub(8);
        assert!(tables.imports.iter().all(|(_, at)| *at <= last), "an address beyond the library");
    }
}

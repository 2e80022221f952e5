//! Reads the tables of a PE file, as Windows has them.

use object::read::pe::PeFile64;
use object::{LittleEndian as LE, Object as _};

use crate::tables::{self, Tables};

/// Reads the tables of a file.
pub(crate) fn read(bytes: &[u8]) -> Result<Tables, String> {
    tables::check_start(bytes, "a Windows library", &[b"MZ"])?;
    let file = PeFile64::parse(bytes).map_err(|error| format!("it is damaged: {error}"))?;
    tables::check_architecture(file.architecture())?;
    tables::check_kind(file.kind(), "a Windows executable")?;
    let mut segments = Vec::new();
    for section in file.section_table().iter() {
        let start = u64::from(section.virtual_address.get(LE));
        segments.push(start..start + u64::from(section.virtual_size.get(LE)));
        let (offset, size) = (section.pointer_to_raw_data.get(LE), section.size_of_raw_data.get(LE));
        tables::check_end(offset.into(), size.into(), bytes.len())?;
    }
    // Windows runs no destructor of a library that is gone, so there are no imports to replace.
    Ok(Tables { segments, note: tables::section(&file, SECTION), ..Tables::default() })
}

/// A name in an image has eight bytes at the most.
const SECTION: &str = ".jackfld";

#[cfg(test)]
mod tests {
    use object::Architecture;

    use super::*;
    use crate::tables::HOST;

    /// A library of one section, in which a note stands as the linker writes it.
    fn library(machine: u16) -> Vec<u8> {
        let note = [&[10, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0][..], b"JACKFIELD\0\0\0", &[1, 2, 3]].concat();
        let mut file = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &[0x40]);
        put(0x40, b"PE\0\0");
        put(0x44, &machine.to_le_bytes());
        put(0x46, &1_u16.to_le_bytes()); // sections
        put(0x54, &240_u16.to_le_bytes()); // size of the optional header
        put(0x56, &0x2022_u16.to_le_bytes()); // a library, for large addresses
        put(0x58, &0x20b_u16.to_le_bytes()); // 64 bits
        put(0x58 + 108, &16_u32.to_le_bytes()); // data directories
        let section = 0x58 + 240;
        put(section, b".jackfld");
        put(section + 8, &(note.len() as u32).to_le_bytes());
        put(section + 12, &0x1000_u32.to_le_bytes()); // its address
        put(section + 16, &0x200_u32.to_le_bytes()); // its size in the file
        put(section + 20, &0x200_u32.to_le_bytes()); // its place in the file
        put(0x200, &note);
        file
    }

    fn machine() -> u16 {
        if HOST == Architecture::Aarch64 { 0xaa64 } else { 0x8664 }
    }

    #[test]
    fn a_library_is_read() {
        let tables = read(&library(machine())).expect("a library");
        let note = tables.note.as_deref().map(jackfield_core::note::unframe);
        assert_eq!((tables.extent(), note), (0x1000 + 27, Some(Ok(&[1, 2, 3][..]))));
    }

    #[test]
    fn what_is_no_library_is_named() {
        assert_eq!(read(b"\x7fELF"), Err("expected a Windows library, found an ELF file".to_owned()));
        assert!(read(&library(0x14c)).is_err(), "32 bits");
        let other = if machine() == 0x8664 { 0xaa64 } else { 0x8664 };
        assert!(read(&library(other)).is_err_and(|reason| reason.starts_with("it is for ")));
        let mut program = library(machine());
        program[0x57] = 0;
        let expected = "expected a shared library, found a Windows executable of the kind Executable";
        assert_eq!(read(&program), Err(expected.to_owned()));
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = library(machine());
        for len in 0..whole.len() {
            read(&whole[..len]).expect_err("a truncated library");
        }
    }
}

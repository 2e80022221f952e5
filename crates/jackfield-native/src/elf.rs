//! Reads the tables of an ELF file, as Linux has them.

use std::ops::Range;

use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSymbol as _, RelocationTarget};

use crate::tables::{self, Import, Tables};

/// Reads the tables of a file.
pub(crate) fn read(bytes: &[u8]) -> Result<Tables, String> {
    tables::check_start(bytes, "an ELF file", &[&elf::ELFMAG])?;
    if bytes.get(4) != Some(&elf::ELFCLASS64.0) {
        return Err("expected a 64-bit ELF file, found a 32-bit one".to_owned());
    }
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(|error| format!("it is damaged: {error}"))?;
    tables::check_architecture(file.architecture())?;
    tables::check_kind(file.kind(), "an ELF file")?;
    for header in loads(&file) {
        let (offset, size) = header.file_range(file.endian());
        tables::check_end(offset, size, bytes.len())?;
    }
    let flags = flags(&file);
    // A program that can be loaded at any address looks like a library in all else.
    if flags & elf::DF_1_PIE.0 != 0 {
        return Err("expected a shared library, found a program\n(hint: run it as a process)".to_owned());
    }
    let tables = Tables {
        segments: loads(&file).map(|header| addresses(header, file.endian())).collect(),
        is_permanent: flags & elf::DF_1_NODELETE.0 != 0,
        note: tables::section(&file, SECTION),
        relro: relro(&file),
        ..Tables::default()
    };
    Ok(Tables { imports: imports(&file, tables.extent()), ..tables })
}

/// The segments that are mapped.
fn loads<'data>(
    file: &ElfFile64<'data, Endianness>,
) -> impl Iterator<Item = &'data elf::ProgramHeader64<Endianness>> {
    let endian = file.endian();
    file.elf_program_headers().iter().filter(move |header| header.p_type(endian) == elf::PT_LOAD)
}

fn addresses(header: &elf::ProgramHeader64<Endianness>, endian: Endianness) -> Range<u64> {
    let start = header.p_vaddr(endian);
    start..start.saturating_add(header.p_memsz(endian))
}

/// What the file asks of the loader (`DT_FLAGS_1`).
fn flags(file: &ElfFile64<'_, Endianness>) -> u64 {
    let Ok(dynamic) = file.elf_section_table().dynamic_table(file.endian(), file.data()) else { return 0 };
    dynamic.iter().find(|entry| entry.tag == elf::DT_FLAGS_1).map_or(0, |entry| entry.val)
}

fn imports(file: &ElfFile64<'_, Endianness>, extent: u64) -> Vec<(Import, u64)> {
    let symbols = file
        .dynamic_symbols()
        .filter_map(|symbol| Some((symbol.index(), Import::named(symbol.name().ok()?)?)));
    let symbols: Vec<_> = symbols.collect();
    let last = extent.saturating_sub(size_of::<usize>() as u64);
    let relocations = file.dynamic_relocations().into_iter().flatten().filter(|(offset, _)| *offset <= last);
    let targets = relocations.filter_map(|(offset, relocation)| {
        let found = symbols.iter().find(|(index, _)| relocation.target() == RelocationTarget::Symbol(*index));
        found.map(|(_, import)| (*import, offset))
    });
    targets.collect()
}

fn relro(file: &ElfFile64<'_, Endianness>) -> Range<u64> {
    let endian = file.endian();
    let mut headers = file.elf_program_headers().iter();
    let header = headers.find(|header| header.p_type(endian) == elf::PT_GNU_RELRO);
    header.map_or(0..0, |header| addresses(header, endian))
}

const SECTION: &str = ".note.jackfield";

#[cfg(test)]
mod tests {
    use super::*;

    fn own_tables() -> Vec<u8> {
        // The C library is a shared library that is on every machine that runs this test.
        let maps = std::fs::read_to_string("/proc/self/maps").expect("a Linux machine");
        let path = maps
            .lines()
            .find_map(|line| line.split_whitespace().last().filter(|path| path.contains("libc.so")));
        std::fs::read(path.expect("a libc that is linked dynamically")).expect("a readable libc")
    }

    #[test]
    fn what_is_no_library_is_named() {
        assert_eq!(read(b""), Err("the file is empty".to_owned()));
        assert_eq!(read(b"#!/bin/sh\n"), Err("expected an ELF file, found a script".to_owned()));
        assert_eq!(read(b"abc"), Err("expected an ELF file, found a text".to_owned()));
    }

    #[test]
    fn a_library_without_a_note_is_read() {
        let tables = read(&own_tables()).expect("a library");
        assert_eq!(tables.note, None);
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = own_tables();
        for len in (0..whole.len()).step_by(whole.len() / 64) {
            read(&whole[..len]).expect_err("a truncated library");
        }
    }

    #[test]
    fn another_architecture_is_named() {
        let mut bytes = own_tables();
        bytes[18..20].copy_from_slice(&elf::EM_RISCV.0.to_le_bytes());
        assert!(read(&bytes).is_err_and(|reason| reason.contains("it is for Riscv64")));
    }
}

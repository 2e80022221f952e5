//! Reads the tables of a Mach-O file, as macOS has them.

use std::ops::Range;

use object::read::macho::{FatArch, MachOFatFile32, MachOFile64, Segment as _};
use object::{Endianness, Object as _};

use crate::tables::{self, HOST, Tables};

/// Reads the tables of a file. Of a universal one, it is the part for this machine that is read.
pub(crate) fn read(bytes: &[u8]) -> Result<Tables, String> {
    tables::check_start(bytes, "a 64-bit Mach-O file", &[SINGLE, UNIVERSAL])?;
    let bytes = part(bytes)?;
    let file = MachOFile64::<Endianness>::parse(bytes).map_err(damaged)?;
    tables::check_architecture(file.architecture())?;
    tables::check_kind(file.kind(), "a Mach-O file")?;
    let segments = segments(&file, bytes.len())?;
    // dyld replaces addresses nowhere that we could reach, so there are no imports to replace.
    Ok(Tables { segments, note: tables::section(&file, SECTION), ..Tables::default() })
}

/// The part of a universal file that is for this machine, or the whole of any other.
fn part(bytes: &[u8]) -> Result<&[u8], String> {
    if !bytes.starts_with(UNIVERSAL) {
        return Ok(bytes);
    }
    let file = MachOFatFile32::parse(bytes).map_err(damaged)?;
    let found = file.arches().iter().find(|part| part.architecture() == HOST);
    let part = found.ok_or_else(|| format!("it is a universal file without a part for {HOST:?}"))?;
    part.data(bytes).map_err(damaged)
}

/// The addresses of the segments, all of which must lie within the file.
fn segments(file: &MachOFile64<'_, Endianness>, len: usize) -> Result<Vec<Range<u64>>, String> {
    let endian = file.endian();
    let mut segments = Vec::new();
    let mut commands = file.macho_load_commands().map_err(damaged)?;
    while let Some(command) = commands.next().map_err(damaged)? {
        let Some((segment, _)) = command.segment_64().map_err(damaged)? else { continue };
        let (offset, size) = segment.file_range(endian);
        tables::check_end(offset, size, len)?;
        let start = segment.vmaddr(endian);
        segments.push(start..start.saturating_add(segment.vmsize(endian)));
    }
    Ok(segments)
}

fn damaged(error: object::Error) -> String {
    format!("it is damaged: {error}")
}

/// The section in the segment `__DATA`.
const SECTION: &str = "__jackfield";

/// How a 64-bit file for a little-endian machine begins.
const SINGLE: &[u8] = &[0xcf, 0xfa, 0xed, 0xfe];

/// How a file with parts for several machines begins.
const UNIVERSAL: &[u8] = &[0xca, 0xfe, 0xba, 0xbe];

#[cfg(test)]
mod tests {
    use object::Architecture;

    use super::*;

    /// A library of one segment with one section, in which a note stands as the linker writes it.
    fn library(cpu: u32) -> Vec<u8> {
        let note = [&[10, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0][..], b"JACKFIELD\0\0\0", &[1, 2, 3]].concat();
        let mut file = Vec::new();
        let words = |file: &mut Vec<u8>, words: &[u32]| {
            words.iter().for_each(|word| file.extend(word.to_le_bytes()));
        };
        let longs = |file: &mut Vec<u8>, longs: &[u64]| {
            longs.iter().for_each(|long| file.extend(long.to_le_bytes()));
        };
        // The header: 6 is a library, with one command of 72 + 80 bytes.
        words(&mut file, &[0xfeed_facf, cpu, 0, 6, 1, 152, 0, 0]);
        // The command 0x19 is a segment: name, address and size, place and size in the file, rights, one section.
        words(&mut file, &[0x19, 152]);
        file.extend(b"__DATA\0\0\0\0\0\0\0\0\0\0");
        longs(&mut file, &[0, 0x4000, 0, 184 + note.len() as u64]);
        words(&mut file, &[3, 3, 1, 0]);
        file.extend(b"__jackfield\0\0\0\0\0__DATA\0\0\0\0\0\0\0\0\0\0");
        longs(&mut file, &[184, note.len() as u64]);
        words(&mut file, &[184, 2, 0, 0, 0, 0, 0, 0]);
        file.extend(note);
        file
    }

    fn cpu() -> u32 {
        if HOST == Architecture::Aarch64 { 0x0100_000c } else { 0x0100_0007 }
    }

    #[test]
    fn a_library_is_read() {
        let tables = read(&library(cpu())).expect("a library");
        let note = tables.note.as_deref().map(jackfield_core::note::unframe);
        assert_eq!((tables.extent(), note), (0x4000, Some(Ok(&[1, 2, 3][..]))));
    }

    #[test]
    fn of_a_universal_library_it_is_this_machines_part_that_is_read() {
        let universal = |cpu: u32| {
            let part = library(cpu);
            let header = [0xcafe_babe, 1, cpu, 0, 64, part.len() as u32, 0];
            let mut file: Vec<u8> = header.iter().flat_map(|word: &u32| word.to_be_bytes()).collect();
            file.resize(64, 0);
            file.extend(part);
            file
        };
        assert_eq!(read(&universal(cpu())), read(&library(cpu())));
        let error = read(&universal(0x0100_0012)).expect_err("there is nothing for this machine");
        assert!(error.starts_with("it is a universal file without a part for "), "{error}");
    }

    #[test]
    fn what_is_no_library_is_named() {
        assert_eq!(read(b"MZ"), Err("expected a 64-bit Mach-O file, found a Windows executable".to_owned()));
        let other = if cpu() == 0x0100_0007 { 0x0100_000c } else { 0x0100_0007 };
        assert!(read(&library(other)).is_err_and(|reason| reason.starts_with("it is for ")));
        let mut program = library(cpu());
        program[12] = 2;
        let expected = "expected a shared library, found a Mach-O file of the kind Executable";
        assert_eq!(read(&program), Err(expected.to_owned()));
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = library(cpu());
        for len in 0..whole.len() {
            read(&whole[..len]).expect_err("a truncated library");
        }
    }
}

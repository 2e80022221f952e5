//! Reads the tables of an ELF file, before any of its code is mapped.
//!
//! Pure: bytes in, facts out. What is checked is what files get wrong by accident: being something else, being for
//! another machine, being cut off. The system's loader trusts the rest of the tables, and so does a host that vouches
//! for what it loads.

use std::ops::Range;

use object::elf;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{
    Architecture, Endianness, Object as _, ObjectKind, ObjectSection as _, ObjectSymbol as _,
    RelocationTarget,
};

/// What the loader and the unloader need to know of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// How many bytes of addresses the library takes, from its base.
    pub(crate) extent: u64,
    /// The note, if the file has one.
    pub(crate) note: Option<Vec<u8>>,
    /// Where, relative to its base, the library keeps the addresses of functions that we replace.
    pub(crate) imports: Vec<(Import, u64)>,
    /// The addresses, relative to its base, that become read-only once they are relocated.
    pub(crate) relro: Range<u64>,
}

/// A function of the C library by which a library asks for a destructor at the end of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    /// `__cxa_thread_atexit_impl`.
    AtExit,
    /// `pthread_key_create`.
    KeyCreate,
    /// `pthread_setspecific`.
    SetSpecific,
}

impl Import {
    fn named(name: &str) -> Option<Self> {
        match name {
            "__cxa_thread_atexit_impl" => Some(Self::AtExit),
            "pthread_key_create" => Some(Self::KeyCreate),
            "pthread_setspecific" => Some(Self::SetSpecific),
            _ => None,
        }
    }
}

/// Reads the tables of a file.
pub(crate) fn read(bytes: &[u8]) -> Result<Tables, String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(format!("expected an ELF file, found {}", guess(bytes)));
    }
    if bytes.get(4) != Some(&elf::ELFCLASS64.0) {
        return Err("expected a 64-bit ELF file, found a 32-bit one".to_owned());
    }
    let file = ElfFile64::<Endianness>::parse(bytes).map_err(|error| format!("it is damaged: {error}"))?;
    if file.architecture() != HOST {
        return Err(format!("it is for {:?}, but this host is {HOST:?}", file.architecture()));
    }
    if file.kind() != ObjectKind::Dynamic {
        return Err(format!("expected a shared library, found an ELF file of the kind {:?}", file.kind()));
    }
    check_segments(&file, bytes.len())?;
    Ok(Tables { extent: extent(&file), note: note(&file), imports: imports(&file), relro: relro(&file) })
}

/// The loader maps segments without looking whether the file is long enough; touching what is missing ends the
/// process.
fn check_segments(file: &ElfFile64<'_, Endianness>, len: usize) -> Result<(), String> {
    for header in file.elf_program_headers() {
        let (offset, size) = header.file_range(file.endian());
        if header.p_type(file.endian()) == elf::PT_LOAD && offset.saturating_add(size) > len as u64 {
            let end = offset.saturating_add(size);
            return Err(format!("it is truncated: a segment ends at byte {end}, the file at {len}"));
        }
    }
    Ok(())
}

fn extent(file: &ElfFile64<'_, Endianness>) -> u64 {
    let endian = file.endian();
    let loads = file.elf_program_headers().iter().filter(|header| header.p_type(endian) == elf::PT_LOAD);
    loads.map(|header| header.p_vaddr(endian).saturating_add(header.p_memsz(endian))).max().unwrap_or(0)
}

fn note(file: &ElfFile64<'_, Endianness>) -> Option<Vec<u8>> {
    let section = file.section_by_name(SECTION)?;
    jackfield_core::note::unframe(section.data().ok()?).map(<[u8]>::to_vec)
}

fn imports(file: &ElfFile64<'_, Endianness>) -> Vec<(Import, u64)> {
    let symbols = file
        .dynamic_symbols()
        .filter_map(|symbol| Some((symbol.index(), Import::named(symbol.name().ok()?)?)));
    let symbols: Vec<_> = symbols.collect();
    let last = extent(file).saturating_sub(size_of::<usize>() as u64);
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
    header.map_or(0..0, |header| {
        let start = header.p_vaddr(endian);
        start..start.saturating_add(header.p_memsz(endian))
    })
}

/// What a file that is no ELF file probably is.
fn guess(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'#', b'!', ..] => "a script",
        [b'M', b'Z', ..] => "a Windows executable",
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a macOS binary",
        [b'!', b'<', b'a', b'r', ..] => "a static library",
        [0, b'a', b's', b'm', ..] => "a WebAssembly module",
        _ if bytes.iter().take(512).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "a text"
        }
        _ => "something else",
    }
}

#[cfg(target_arch = "x86_64")]
const HOST: Architecture = Architecture::X86_64;
#[cfg(target_arch = "aarch64")]
const HOST: Architecture = Architecture::Aarch64;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("jackfield-native supports x86_64 and aarch64");

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

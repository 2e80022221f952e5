//! Reads what runs a file: a machine, or another program. Pure: its first bytes in, facts out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use jackfield_core::{file_kind, target_of};

/// What runs a file.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Executable {
    /// A machine.
    Elf {
        /// The machine, as Rust calls it, such as `x86_64`.
        architecture: String,
        /// What helps it, if the program is linked dynamically.
        loader: Option<PathBuf>,
    },
    /// Nothing does: this is what it probably is.
    None(&'static str),
    /// Another program.
    Script {
        /// That program.
        interpreter: PathBuf,
    },
}

impl Executable {
    /// What would run a file that begins like this: its first 64 KiB will do.
    pub fn read(bytes: &[u8]) -> Self {
        if let Some(line) = bytes.strip_prefix(b"#!") {
            // As Linux does it, to which the carriage return of another system is part of the name.
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let word = line.split(|byte| [b' ', b'\t'].contains(byte)).find(|word| !word.is_empty());
            return Self::Script { interpreter: path(word.unwrap_or_default()) };
        }
        let elf =
            bytes.starts_with(b"\x7fELF").then(|| Header { bytes, is_wide: bytes.get(4) == Some(&WIDE) });
        match elf.zip(target_of(bytes)) {
            Some((header, target)) => {
                Self::Elf { architecture: target.architecture, loader: header.loader() }
            }
            None => Self::None(file_kind(bytes)),
        }
    }
}

/// The head of an ELF file.
struct Header<'a> {
    bytes: &'a [u8],
    /// Whether its addresses have 64 bits.
    is_wide: bool,
}

impl Header<'_> {
    /// The number of so many bytes that stands here, in the file's own order.
    fn number<const N: usize>(&self, at: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(N)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(match self.bytes.get(5)? {
            &BIG => bytes.iter().fold(0, add),
            _ => bytes.iter().rev().fold(0, add),
        })
    }

    /// An address or a size.
    fn word(&self, wide: usize, narrow: usize) -> Option<usize> {
        let word = if self.is_wide { self.number::<8>(wide) } else { self.number::<4>(narrow) };
        word.and_then(|word| usize::try_from(word).ok())
    }

    /// What the program names as its loader (`PT_INTERP`).
    fn loader(&self) -> Option<PathBuf> {
        let (table, size, count) = if self.is_wide { (32, 54, 56) } else { (28, 42, 44) };
        let (table, size) = (self.word(table, table)?, self.number::<2>(size)? as usize);
        let mut entries = (0..self.number::<2>(count)? as usize)
            .map_while(|index| table.checked_add(index.checked_mul(size)?))
            .map_while(|entry| Some((entry, self.number::<4>(entry)?)));
        let (entry, _) = entries.find(|(_, kind)| *kind == LOADER)?;
        let start = self.word(entry.checked_add(8)?, entry.checked_add(4)?)?;
        let len = self.word(entry.checked_add(32)?, entry.checked_add(16)?)?;
        let name = self.bytes.get(start..start.checked_add(len)?)?;
        Some(path(name.split(|byte| *byte == 0).next()?))
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}

/// `ELFCLASS64`.
const WIDE: u8 = 2;
/// `ELFDATA2MSB`.
const BIG: u8 = 2;
/// `PT_INTERP`.
const LOADER: u64 = 3;

/// Reads any bytes.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Executable::Elf { architecture, .. } = Executable::read(bytes) {
        assert!(!architecture.is_empty(), "each machine has a name");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_its_interpreter() {
        for (text, interpreter) in [
            ("#!/bin/sh\necho", "/bin/sh"),
            ("#! /usr/bin/env -S a b", "/usr/bin/env"),
            ("#!/bin/sh\r\necho", "/bin/sh\r"),
            ("#!\n", ""),
        ] {
            let expected = Executable::Script { interpreter: interpreter.into() };
            assert_eq!(Executable::read(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn this_program_is_for_this_machine_and_names_its_loader() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let Executable::Elf { architecture, loader } = Executable::read(&own) else { panic!("an ELF file") };
        assert_eq!(architecture, std::env::consts::ARCH);
        assert!(loader.is_some_and(|loader| loader.exists()));
        for len in 0..4096 {
            Executable::read(&own[..len]);
        }
    }

    #[test]
    fn the_other_order_and_width_are_read_too() {
        let mut bytes = [0; 52];
        bytes[..6].copy_from_slice(b"\x7fELF\x01\x02");
        bytes[18..20].copy_from_slice(&[0, 20]);
        let expected = Executable::Elf { architecture: "powerpc".to_owned(), loader: None };
        assert_eq!(Executable::read(&bytes), expected);
    }

    #[test]
    fn what_nothing_runs_is_named() {
        assert_eq!(Executable::read(b""), Executable::None("an empty file"));
        assert_eq!(Executable::read(b"hello"), Executable::None("a text"));
        assert_eq!(Executable::read(b"\x7fELF"), Executable::None("an ELF file"));
    }
}

//! What the loader and the unloader need to know of a library's file, before any of its code is mapped.
//!
//! Pure: bytes in, facts out. What is checked is what files get wrong by accident: being something else, being for
//! another machine, being cut off. The system's loader trusts the rest of the tables, and so does a host that vouches
//! for what it loads.

use std::ops::Range;

use jackfield_core::file_kind;
use object::{Architecture, Object, ObjectKind, ObjectSection as _};

use crate::{elf, macho, pe};

/// What a library's file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// The addresses, relative to its base, that are mapped from the file.
    pub(crate) segments: Vec<Range<u64>>,
    /// Whether it asks never to be unmapped, as everything that Go makes does.
    pub(crate) is_permanent: bool,
    /// The content of the section with the note, if the file has one.
    pub(crate) note: Option<Vec<u8>>,
    /// Where, relative to its base, the library keeps the addresses of functions that we replace.
    pub(crate) imports: Vec<(Import, u64)>,
    /// The addresses, relative to its base, that become read-only once they are relocated.
    pub(crate) relro: Range<u64>,
}

impl Tables {
    /// How many bytes of addresses the library takes, from its base.
    pub(crate) fn extent(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).max().unwrap_or(0)
    }

    /// Whether so many bytes at this address, relative to the base, are mapped.
    pub(crate) fn holds(&self, address: u64, len: usize) -> bool {
        let end = address.saturating_add(len as u64);
        self.segments.iter().any(|segment| segment.start <= address && end <= segment.end)
    }
}

/// A function of the C library by which a library asks for a destructor at the end of a thread, or starts one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    /// `__cxa_thread_atexit_impl`.
    AtExit,
    /// `pthread_key_create`.
    KeyCreate,
    /// `pthread_setspecific`.
    SetSpecific,
    /// `pthread_create`.
    ThreadCreate,
}

impl Import {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "__cxa_thread_atexit_impl" => Some(Self::AtExit),
            "pthread_key_create" => Some(Self::KeyCreate),
            "pthread_create" => Some(Self::ThreadCreate),
            "pthread_setspecific" => Some(Self::SetSpecific),
            _ => None,
        }
    }
}

/// Reads a file in the format of the system for which this is compiled.
pub(crate) fn read(bytes: &[u8]) -> Result<Tables, String> {
    if cfg!(target_vendor = "apple") {
        macho::read(bytes)
    } else if cfg!(windows) {
        pe::read(bytes)
    } else {
        elf::read(bytes)
    }
}

/// Refuses a file that does not begin like one of this format, whose files are called `wanted`.
pub(crate) fn check_start(bytes: &[u8], wanted: &str, starts: &[&[u8]]) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if !starts.iter().any(|start| bytes.starts_with(start)) {
        return Err(format!("expected {wanted}, found {}", file_kind(bytes)));
    }
    Ok(())
}

/// Refuses a file that is for another machine.
pub(crate) fn check_architecture(found: Architecture) -> Result<(), String> {
    if found == HOST { Ok(()) } else { Err(format!("it is for {found:?}, but this host is {HOST:?}")) }
}

/// Refuses a file of this format that is not a shared library.
pub(crate) fn check_kind(found: ObjectKind, file: &str) -> Result<(), String> {
    if found == ObjectKind::Dynamic {
        Ok(())
    } else {
        Err(format!("expected a shared library, found {file} of the kind {found:?}"))
    }
}

/// Refuses a file of `len` bytes whose part `offset..offset + size` is missing.
///
/// The loader maps a file without looking whether it is long enough; touching what is missing ends the process.
pub(crate) fn check_end(offset: u64, size: u64, len: usize) -> Result<(), String> {
    let end = offset.saturating_add(size);
    if end <= len as u64 {
        Ok(())
    } else {
        Err(format!("it is truncated: a segment ends at byte {end}, the file at {len}"))
    }
}

/// The content of a section.
pub(crate) fn section<'data>(file: &impl Object<'data>, name: &str) -> Option<Vec<u8>> {
    Some(file.section_by_name(name)?.data().ok()?.to_vec())
}

#[cfg(target_arch = "x86_64")]
pub(crate) const HOST: Architecture = Architecture::X86_64;
#[cfg(target_arch = "aarch64")]
pub(crate) const HOST: Architecture = Architecture::Aarch64;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("jackfield-native supports x86_64 and aarch64");

//! Windows: a private file, and the modules of this process.
//!
//! It is compiled in CI, but it has not been run there.

use std::fs::{File, FileType};
use std::io;
use std::path::Path;

use libloading::os::windows::{LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR};

use super::private_file::PrivateFile;

/// A private file that holds a library.
#[derive(Debug)]
pub(crate) struct Memory {
    file: PrivateFile,
}

/// A library that is loaded.
pub(crate) type Handle = libloading::os::windows::Library;

impl Memory {
    /// Loads the library. The file cannot be removed while it is mapped, so this must stay as long.
    ///
    /// # Safety
    ///
    /// The caller vouches for the library's code.
    pub(crate) unsafe fn load(&self) -> Result<Handle, libloading::Error> {
        let search = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
        // SAFETY: the caller says so.
        unsafe { Handle::load_with_flags(self.file.path(), search) }
    }

    /// Whether it is mapped in this process.
    pub(crate) fn is_mapped(&self) -> io::Result<bool> {
        // What it opens, it closes again.
        Ok(Handle::open_already_loaded(self.file.path()).is_ok())
    }

    /// What the addresses in the tables of the library that was loaded from it are relative to: its handle is where it
    /// begins.
    pub(crate) fn base_of(&self, _: &Handle) -> Option<*mut u8> {
        let raw = Handle::open_already_loaded(self.file.path()).ok()?.into_raw();
        // SAFETY: it was opened above, once more than the library that the caller holds.
        drop(unsafe { Handle::from_raw(raw) });
        Some(std::ptr::with_exposed_provenance_mut(raw.cast_unsigned()))
    }
}

impl From<PrivateFile> for Memory {
    fn from(file: PrivateFile) -> Self {
        Self { file }
    }
}

/// Opens a file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// What it is that is not a file.
pub(crate) fn describe(kind: FileType) -> &'static str {
    if kind.is_dir() { "a directory" } else { "a device" }
}

//! macOS: a private file, and dyld's list of what is loaded.
//!
//! It is compiled in CI, but it has not been run there.

use std::ffi::{CStr, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use libloading::os::unix::{RTLD_LOCAL, RTLD_NOW};

use super::private_file::PrivateFile;

/// A private file that holds a library.
#[derive(Debug)]
pub(crate) struct Memory {
    file: PrivateFile,
}

/// A library that is loaded.
pub(crate) type Handle = libloading::os::unix::Library;

impl Memory {
    /// Loads the library. The file is not needed afterwards.
    ///
    /// # Safety
    ///
    /// The caller vouches for the library's code.
    pub(crate) unsafe fn load(&self) -> Result<Handle, libloading::Error> {
        // SAFETY: the caller says so.
        let handle = unsafe { Handle::open(Some(self.file.path()), RTLD_NOW | RTLD_LOCAL) };
        self.file.remove();
        handle
    }

    /// Whether it is mapped in this process.
    pub(crate) fn is_mapped(&self) -> io::Result<bool> {
        Ok(self.index().is_some())
    }

    /// What the addresses in the tables of the library that was loaded from it are relative to.
    pub(crate) fn base_of(&self, _: &Handle) -> Option<*mut u8> {
        let index = self.index()?;
        // SAFETY: it takes any number, and tells 0 of one that is none.
        let slide = unsafe { _dyld_get_image_vmaddr_slide(index) };
        (slide != 0).then(|| std::ptr::with_exposed_provenance_mut(slide.cast_unsigned()))
    }

    /// Where the library stands in dyld's list. The list may change meanwhile, so the name is asked for, not the number.
    fn index(&self) -> Option<u32> {
        // SAFETY: it takes nothing.
        let count = unsafe { _dyld_image_count() };
        (0..count).find(|index| {
            // SAFETY: it takes any number, and tells null of one that is none.
            let name = unsafe { _dyld_get_image_name(*index) };
            // SAFETY: the name of a library that is loaded is a C string, and ours is unloaded by nobody else.
            !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes() == self.path_bytes()
        })
    }

    fn path_bytes(&self) -> &[u8] {
        self.file.path().as_os_str().as_bytes()
    }
}

impl From<PrivateFile> for Memory {
    fn from(file: PrivateFile) -> Self {
        Self { file }
    }
}

// `<mach-o/dyld.h>`, a part of the system's library.
unsafe extern "C" {
    fn _dyld_image_count() -> u32;
    fn _dyld_get_image_name(index: u32) -> *const c_char;
    fn _dyld_get_image_vmaddr_slide(index: u32) -> isize;
}

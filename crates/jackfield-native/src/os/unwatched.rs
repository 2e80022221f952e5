//! The watch over a library's thread-locals, on systems where there is nothing to watch.
//!
//! macOS never unmaps a library that has thread-locals. Windows unmaps it, and forgets the destructors that had yet to
//! run: what they would have freed is leaked. Neither runs code that is gone.

use std::io;

use crate::tables::Tables;

/// A library that is being watched, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    holders: Holders,
}

impl Watch {
    /// Watches a library that was just loaded.
    ///
    /// # Safety
    ///
    /// None here: it has the signature of a system on which it touches the library.
    pub(crate) unsafe fn new(_: *mut u8, _: &Tables) -> io::Result<Self> {
        Ok(Self { holders: Holders })
    }

    /// Who keeps the library mapped.
    pub(crate) fn holders(&self) -> &Holders {
        &self.holders
    }

    /// Says that the library is about to be closed.
    pub(crate) fn close(&self) {}
}

/// What the threads of this process hold of one library: nobody tells.
#[derive(Debug)]
pub(crate) struct Holders;

impl Holders {
    /// The threads that keep the library mapped, as far as they are known.
    pub(crate) fn threads(&self) -> Vec<String> {
        Vec::new()
    }
}

//! The watch over a library's thread-locals, on systems where there is nothing to watch.
//!
//! macOS never unmaps a library that has thread-locals. Windows unmaps it, and forgets the destructors that had yet to
//! run: what they would have freed is leaked. Neither runs code that is gone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jackfield_abi::Thread;

use crate::tables::Tables;

/// A library that is being watched, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    holders: Arc<Holders>,
}

impl Watch {
    /// Watches a library that was just loaded.
    ///
    /// # Safety
    ///
    /// None here: it has the signature of a system on which it touches the library.
    pub(crate) unsafe fn new(_: *mut u8, _: &Tables) -> io::Result<Self> {
        Ok(Self { holders: Arc::new(Holders) })
    }

    /// Who keeps the library mapped.
    pub(crate) fn holders(&self) -> &Arc<Holders> {
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

    /// The threads that the library itself has started, as far as they are known.
    pub(crate) fn started(&self) -> &Self {
        self
    }

    /// Waits until all threads that the library has started have ended, as far as they are known.
    pub(crate) fn wait(&self, _: Duration) -> bool {
        true
    }

    /// Whose thread the calling one is, as far as that is known.
    pub(crate) fn calling_thread(&self) -> Thread {
        Thread::default()
    }
}

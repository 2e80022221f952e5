//! What must outlive a library for as long as anything of it is mapped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_abi::Attachment;
use jackfield_core::Unloaded;

use crate::os::{Handle, Memory, Watch};

/// What must outlive a library for as long as anything of it is mapped.
#[derive(Debug)]
pub(crate) struct Remains {
    /// The library in the loader's books, until it is closed.
    pub(crate) handle: Option<Handle>,
    /// Who keeps it mapped. It is missing where the library was refused before it was watched.
    pub(crate) watch: Option<Watch>,
    /// What its threads may call until the end.
    pub(crate) attachment: Option<Attachment>,
    /// Whether it asks never to be unmapped.
    pub(crate) is_permanent: bool,
    /// The loader would take a later library of the same path for this one, so its path stays reserved.
    pub(crate) memory: Memory,
}

impl Remains {
    /// Closes the library, once the threads that it started have ended, and tells what became of it. They have until
    /// `deadline`; a library with one that goes on is closed later.
    ///
    /// # Safety
    ///
    /// But for those threads, nothing uses the library any more.
    pub(crate) unsafe fn end(mut self, deadline: Duration) -> Unloaded {
        // What stays for good may keep its threads.
        let deadline = if self.is_permanent { Duration::ZERO } else { deadline };
        if let Some(watch) = &self.watch {
            watch.holders().started().wait(deadline);
        }
        let is_gone = self.try_end();
        sweep();
        if is_gone || !self.is_mapped() {
            return Unloaded::Unmapped;
        }
        let by = self.pinned_by();
        pinned().push(self);
        Unloaded::Pinned { by }
    }

    /// Closes the library unless a thread of its own runs, and says whether nothing of it is mapped any more.
    fn try_end(&mut self) -> bool {
        if self.watch.as_ref().is_some_and(|watch| !watch.holders().started().wait(Duration::ZERO)) {
            return false;
        }
        if let Some(handle) = self.handle.take() {
            if let Some(watch) = &self.watch {
                watch.close();
            }
            // If it cannot be closed it stays mapped, which is asked for next.
            let _still_mapped = handle.close();
        }
        !self.is_mapped()
    }

    fn is_mapped(&self) -> bool {
        self.memory.is_mapped().unwrap_or(true)
    }

    fn pinned_by(&self) -> Vec<String> {
        if self.is_permanent {
            return vec![
                "its own wish: it is marked as never to be unmapped, as everything in Go is".to_owned(),
            ];
        }
        let threads = self.watch.as_ref().map(|watch| watch.holders().threads()).unwrap_or_default();
        if threads.is_empty() {
            return vec!["the system's loader, for a reason that it does not tell".to_owned()];
        }
        threads
    }
}

/// How many libraries were unloaded and are still mapped, or never came to an end of being loaded or unloaded. Each
/// costs about 350 KiB.
pub fn pinned_libraries() -> usize {
    sweep();
    pinned().len() + STUCK.load(Ordering::Relaxed)
}

/// Counts a library whose code does not return, until it does.
#[derive(Debug)]
pub(crate) struct Stuck(());

impl Stuck {
    pub(crate) fn new() -> Self {
        STUCK.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        STUCK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Closes the libraries whose threads have ended since, and forgets those that the loader has unmapped since: it does so
/// at any later unload, once no thread holds them any more.
pub(crate) fn sweep() {
    let mut pinned = pinned();
    let (mut gone, mut index) = (Vec::new(), 0);
    while let Some(remains) = pinned.get_mut(index) {
        if remains.try_end() {
            gone.push(pinned.swap_remove(index));
        } else {
            index += 1;
        }
    }
    drop(pinned);
    drop(gone);
}

fn pinned() -> MutexGuard<'static, Vec<Remains>> {
    PINNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is left of libraries that were closed but not unmapped. The loader's state belongs to the process, so this
/// does too.
static PINNED: Mutex<Vec<Remains>> = Mutex::new(Vec::new());

/// How many libraries do not return.
static STUCK: AtomicUsize = AtomicUsize::new(0);

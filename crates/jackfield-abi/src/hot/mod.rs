//! The place where the current generation of a plugin is replaced while other threads call it.
//!
//! A call must not write a cache line that another thread's call writes too: an `Arc` clone per call costs 4 ns
//! alone and 28 ns when a second core does the same. So a call announces the generation that it uses in a *hazard
//! record* of its own thread, and the thread that replaces a generation pays for the order of the two: it issues
//! one `membarrier` (or, where there is none, every call pays a full fence), reads all the records, and knows who
//! still uses the old generation.

mod barrier;
mod record;
mod slot;
mod tally;

pub use barrier::prepare;
#[cfg(not(loom))]
pub(crate) use record::{free_unused, leave_threads_alone};
pub use slot::{Announced, Entered, HotSlot, Retired};
pub use tally::{Counts, Tally};

/// The atomics: the real ones, or those of the model checker.
mod sync {
    #[cfg(loom)]
    pub(super) use loom::sync::{
        Arc,
        atomic::{AtomicPtr, Ordering, fence},
    };
    #[cfg(not(loom))]
    pub(super) use std::sync::{
        Arc,
        atomic::{AtomicPtr, Ordering, fence},
    };
}

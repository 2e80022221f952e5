//! Hazard records: what each thread is using.

use std::sync::atomic::AtomicU64;

use super::sync::{AtomicPtr, Ordering, fence};

/// What one thread is using, and what it counts. It has cache lines of its own (pairs, since the prefetcher fetches them).
#[repr(align(128))]
#[derive(Debug)]
pub(super) struct Record {
    /// The generation in which a call of this thread is.
    pub(super) call: AtomicPtr<()>,
    /// The generation that this thread is about to clone.
    scratch: AtomicPtr<()>,
    /// What the thread counts for each [`Tally`](super::Tally).
    pub(super) counters: [AtomicU64; COUNTERS],
}

/// How many plugins a thread counts for by itself: with them, a record has 2 KiB.
pub(super) const COUNTERS: usize = 240;

impl Record {
    pub(super) fn new() -> Self {
        Self {
            call: AtomicPtr::new(std::ptr::null_mut()),
            scratch: AtomicPtr::new(std::ptr::null_mut()),
            counters: [const { AtomicU64::new(0) }; COUNTERS],
        }
    }

    /// Whether no call of the thread is announced.
    #[inline(always)]
    pub(super) fn is_free(&self) -> bool {
        self.call.load(Ordering::Relaxed).is_null()
    }

    /// Whether the thread uses this generation.
    pub(super) fn holds(&self, generation: *mut ()) -> bool {
        // Acquire pairs with the release in `leave`: whoever sees the record empty also sees the end of the call.
        self.call.load(Ordering::Acquire) == generation || self.scratch.load(Ordering::Acquire) == generation
    }

    /// Runs `clone` while the current generation cannot be freed, with a full fence of this thread's own.
    pub(super) fn with_scratch<T, V>(&self, current: &AtomicPtr<T>, clone: impl FnOnce(*mut T) -> V) -> V {
        let generation = announce(&self.scratch, current, || fence(Ordering::SeqCst));
        let value = clone(generation);
        leave(&self.scratch);
        value
    }
}

/// Announces the current generation and returns it once the announcement is known to have come in time.
#[inline(always)]
pub(super) fn announce<T>(hazard: &AtomicPtr<()>, current: &AtomicPtr<T>, order: impl Fn()) -> *mut T {
    let mut generation = current.load(Ordering::Relaxed);
    loop {
        // Release, since it may follow a `leave` that nobody has read yet.
        hazard.store(generation.cast(), Ordering::Release);
        order();
        let again = current.load(Ordering::Acquire);
        if again == generation {
            return generation;
        }
        generation = again;
    }
}

/// Ends the use that was announced.
#[inline(always)]
pub(super) fn leave(hazard: &AtomicPtr<()>) {
    hazard.store(std::ptr::null_mut(), Ordering::Release);
}

#[cfg(not(loom))]
pub(super) use threads::{any_holds, claim_for_thread, each, of_this_thread, with_any};
#[cfg(not(loom))]
pub(crate) use threads::{free_unused, leave_threads_alone};

/// The model has no records but those that it makes, which count nothing.
#[cfg(loom)]
pub(super) fn each(_: impl FnMut(&Record)) {}

/// The records of all threads.
#[cfg(not(loom))]
mod threads {
    use std::cell::Cell;
    use std::ptr::NonNull;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::super::barrier;
    use super::Record;

    /// The record of this thread, or `None` where calls have to take the slow way: before the first of them, without
    /// `membarrier`, and in the destructors of a thread that is ending.
    #[inline(always)]
    pub(in super::super) fn of_this_thread() -> Option<&'static Record> {
        MINE.get()
    }

    /// Gives this thread a record if it can have one.
    #[cold]
    pub(in super::super) fn claim_for_thread() {
        if MINE.get().is_some() || IS_IN_LIBRARY.load(Ordering::Relaxed) || !barrier::is_asymmetric() {
            return;
        }
        // Where the thread is ending already it goes without.
        let _ = GUARD.try_with(|_| MINE.set(Some(claim().get())));
    }

    /// Lets no thread have a record from now on: its destructor would keep a library mapped for as long as the thread
    /// of the host lives that called it. Objects of a library are called the slow way inside of it.
    pub(crate) fn leave_threads_alone() {
        IS_IN_LIBRARY.store(true, Ordering::Relaxed);
    }

    static IS_IN_LIBRARY: AtomicBool = AtomicBool::new(false);

    /// Whether any thread uses this generation.
    pub(in super::super) fn any_holds(generation: *mut ()) -> bool {
        lock().all.iter().any(|record| record.get().holds(generation))
    }

    /// Runs `f` with a record that belongs to nobody else meanwhile.
    pub(in super::super) fn with_any<V>(f: impl FnOnce(&Record) -> V) -> V {
        if let Some(record) = of_this_thread() {
            return f(record);
        }
        let record = claim();
        let value = f(record.get());
        give_back(record);
        value
    }

    /// Looks at the records of all threads, those too that have ended.
    pub(in super::super) fn each(look: impl FnMut(&Record)) {
        lock().all.iter().map(|record| record.get()).for_each(look);
    }

    /// Frees the records that nobody uses: nothing destroys the statics of a library that is unmapped.
    pub(crate) fn free_unused() {
        let mut records = lock();
        let unused = std::mem::take(&mut records.free);
        records.all.retain(|record| !unused.contains(record));
        records.all.shrink_to_fit();
        for Boxed(record) in unused {
            // SAFETY: `claim` boxed it, whoever used it gave it back, and it is in no list any more.
            drop(unsafe { Box::from_raw(record.as_ptr()) });
        }
    }

    fn claim() -> Boxed {
        let mut records = lock();
        if let Some(record) = records.free.pop() {
            return record;
        }
        let record = Boxed(NonNull::from(Box::leak(Box::new(Record::new()))));
        records.all.push(record);
        record
    }

    fn give_back(record: Boxed) {
        // A guard that was forgotten still announces its generation. Such a record is never used again.
        if record.get().is_free() {
            lock().free.push(record);
        }
    }

    fn lock() -> std::sync::MutexGuard<'static, Records> {
        RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record in a box of its own.
    #[derive(Clone, Copy, PartialEq)]
    struct Boxed(NonNull<Record>);

    impl Boxed {
        fn get(self) -> &'static Record {
            // SAFETY: a record is freed only when nobody uses it any more.
            unsafe { self.0.as_ref() }
        }
    }

    // SAFETY: all threads look at all records, whose fields are atomic.
    unsafe impl Send for Boxed {}

    /// All records, and those that no thread owns. As many are made as threads were alive at once.
    struct Records {
        all: Vec<Boxed>,
        free: Vec<Boxed>,
    }

    static RECORDS: Mutex<Records> = Mutex::new(Records { all: Vec::new(), free: Vec::new() });

    /// Gives the thread's record back when the thread ends.
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            let Some(mine) = MINE.take() else { return };
            let record = lock().all.iter().copied().find(|record| std::ptr::eq(record.get(), mine));
            if let Some(record) = record {
                give_back(record);
            }
        }
    }

    thread_local! {
        /// Apart from `GUARD`, so that reading it on every call does not check for a destructor.
        static MINE: Cell<Option<&'static Record>> = const { Cell::new(None) };
        static GUARD: Guard = const { Guard };
    }
}

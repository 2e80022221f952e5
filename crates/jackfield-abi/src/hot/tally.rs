//! Counts calls where no two threads write.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::record::{self, COUNTERS, Record};
use crate::shim::RefusalKind;

/// Counts the calls of a plugin. Each thread counts in its own hazard record, which a call writes anyway, and of one call in
/// 1,024 the time is taken: reading a clock twice costs more than the call.
///
/// ```
/// use std::sync::Arc;
/// use jackfield_abi::{HotSlot, Tally};
///
/// let (slot, tally) = (HotSlot::new(Arc::new("a plugin")), Tally::new(|took| println!("{took:?}")));
/// let generation = slot.enter();
/// let began = generation.begin(&tally);
/// // … the call …
/// tally.end(began);
/// assert_eq!(tally.counts().calls, 1);
/// ```
pub struct Tally {
    /// Which counter of every record is its own. Past the last one there was none left.
    index: usize,
    /// The calls of threads without a record, and all calls where no counter was left.
    shared: AtomicU64,
    failures: AtomicU64,
    errors: AtomicU64,
    took: Box<dyn Fn(Duration) + Send + Sync>,
}

/// What a [`Tally`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The calls that have begun.
    pub calls: u64,
    /// Those that the plugin answered with an error of its own.
    pub failures: u64,
    /// Those to which there was no answer.
    pub errors: u64,
}

impl Tally {
    /// Counts from zero, and hands on the times that it takes.
    pub fn new(took: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self {
            index: counters::claim(),
            shared: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            took: Box::new(took),
        }
    }

    /// What has been counted. Calls that run at this time may be missing.
    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.shared.load(Ordering::Relaxed) + counters::sum(self.index),
            failures: self.failures.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
        }
    }

    /// Ends a call that has begun at this time.
    #[inline]
    pub fn end(&self, began: Option<Instant>) {
        if let Some(began) = began {
            (self.took)(began.elapsed());
        }
    }

    /// Counts a call to which the plugin's answer was a refusal.
    #[cold]
    pub fn refuse(&self, kind: RefusalKind) {
        let counter = if kind == RefusalKind::Fault { &self.failures } else { &self.errors };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call unless its time is to be taken.
    #[inline(always)]
    pub(super) fn count(&self, record: &Record) -> bool {
        let Some(counter) = record.counters.get(self.index) else { return false };
        let before = counter.load(Ordering::Relaxed);
        if before % SAMPLED == WARM {
            return false;
        }
        // No other thread writes it.
        counter.store(before + 1, Ordering::Relaxed);
        true
    }

    /// Counts a call, and takes the time if it is to be taken.
    pub(super) fn begin(&self, record: Option<&Record>) -> Option<Instant> {
        let before = match record.and_then(|record| record.counters.get(self.index)) {
            Some(counter) => {
                let before = counter.load(Ordering::Relaxed);
                counter.store(before + 1, Ordering::Relaxed);
                before
            }
            None => self.shared.fetch_add(1, Ordering::Relaxed),
        };
        (before % SAMPLED == WARM).then(Instant::now)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // Nobody counts in it any more: who does borrows it.
        counters::give_back(self.index);
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// Which counters of the records are whose.
mod counters {
    use super::*;

    /// A counter that is zero in every record, or one past the last if none is left.
    pub(super) fn claim() -> usize {
        let mut indexes = INDEXES.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.free.pop().unwrap_or_else(|| {
            let next = indexes.used;
            indexes.used = COUNTERS.min(next + 1);
            next
        })
    }

    /// What all threads have counted.
    pub(super) fn sum(index: usize) -> u64 {
        let mut sum = 0;
        record::each(|record| {
            sum += record.counters.get(index).map_or(0, |counter| counter.load(Ordering::Relaxed));
        });
        sum
    }

    pub(super) fn give_back(index: usize) {
        if index < COUNTERS {
            record::each(|record| record.counters[index].store(0, Ordering::Relaxed));
            INDEXES.lock().unwrap_or_else(PoisonError::into_inner).free.push(index);
        }
    }

    struct Indexes {
        /// How many belong, or belonged, to somebody.
        used: usize,
        free: Vec<usize>,
    }

    static INDEXES: Mutex<Indexes> = Mutex::new(Indexes { used: 0, free: Vec::new() });
}

/// Of so many calls of a thread the time of one is taken.
const SAMPLED: u64 = 1024;
/// Not of the first: it finds nothing in the caches yet.
const WARM: u64 = 16;

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::hot::HotSlot;

    fn call(slot: &HotSlot<()>, tally: &Tally) {
        if slot.try_enter().is_some_and(|generation| generation.count(Some(tally))) {
            return;
        }
        tally.end(slot.enter().begin(tally));
    }

    fn counting() -> (Tally, Arc<AtomicU64>) {
        let taken = Arc::new(AtomicU64::new(0));
        let count = taken.clone();
        let tally = Tally::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        (tally, taken)
    }

    #[test]
    fn threads_count_apart_and_are_added_up() {
        let (slot, (tally, taken)) = (HotSlot::new(Arc::new(())), counting());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..2_000).for_each(|_| call(&slot, &tally)));
            }
        });
        assert_eq!(tally.counts(), Counts { calls: 8_000, failures: 0, errors: 0 });
        let taken = taken.load(Ordering::Relaxed);
        // A record may pass from a thread that has ended to one that begins.
        assert!((8..=12).contains(&taken), "the time of {taken} of 8,000 calls was taken");
    }

    #[test]
    fn calls_inside_of_calls_are_counted() {
        let (slot, (tally, _)) = (HotSlot::new(Arc::new(())), counting());
        let outer = slot.enter();
        call(&slot, &tally);
        call(&slot, &tally);
        drop(outer);
        assert_eq!(tally.counts().calls, 2);
    }

    #[test]
    fn a_counter_that_is_used_again_begins_at_zero() {
        let slot = HotSlot::new(Arc::new(()));
        for _ in 0..600 {
            let (tally, _) = counting();
            (0..3).for_each(|_| call(&slot, &tally));
            assert_eq!(tally.counts().calls, 3);
        }
    }

    #[test]
    fn where_no_counter_is_left_all_is_counted_together() {
        let slot = HotSlot::new(Arc::new(()));
        let tallies: Vec<_> = (0..600).map(|_| counting().0).collect();
        for (calls, tally) in tallies.iter().enumerate() {
            (0..calls).for_each(|_| call(&slot, tally));
        }
        assert!(tallies.iter().enumerate().all(|(calls, tally)| tally.counts().calls == calls as u64));
    }

    #[test]
    fn what_a_plugin_says_and_what_fails_are_told_apart() {
        let (tally, _) = counting();
        tally.refuse(RefusalKind::Fault);
        tally.refuse(RefusalKind::Panic);
        tally.refuse(RefusalKind::Malformed);
        assert_eq!(tally.counts(), Counts { calls: 0, failures: 1, errors: 2 });
    }
}

//! The slot: enter the current generation, swap it, and know when the old one is idle.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

#[cfg(not(loom))]
use std::sync::{Mutex, PoisonError};
#[cfg(not(loom))]
use std::time::Instant;

#[cfg(not(loom))]
use super::record::any_holds;
use super::record::{Record, leave};
use super::sync::{Arc, AtomicPtr, Ordering};
#[cfg(not(loom))]
use super::tally::Tally;
use super::{barrier, record};

/// Holds the current generation of something. Entering it costs two uncontended writes; swapping it interrupts
/// every core that runs this process, once.
///
/// ```
/// use std::sync::Arc;
/// use jackfield_abi::HotSlot;
///
/// let slot = HotSlot::new(Arc::new("first"));
/// assert_eq!(*slot.enter(), "first");
/// let old = slot.swap(Arc::new("second"));
/// assert_eq!(*slot.enter(), "second");
/// assert_eq!(*old.into_arc().expect("nobody is inside the first"), "first");
/// ```
pub struct HotSlot<T> {
    current: AtomicPtr<T>,
    _owns: PhantomData<Arc<T>>,
}

impl<T: Send + Sync + 'static> HotSlot<T> {
    /// A slot that holds `first`.
    pub fn new(first: Arc<T>) -> Self {
        barrier::is_asymmetric();
        Self { current: AtomicPtr::new(into_raw(first)), _owns: PhantomData }
    }

    /// Enters the current generation, which stays alive until the guard is dropped.
    #[cfg(not(loom))]
    #[inline]
    pub fn enter(&self) -> Entered<'_, T> {
        match self.try_enter() {
            Some(announced) => Entered::announced(announced),
            None => self.enter_slowly(),
        }
    }

    /// Enters where the thread has no record yet, or is inside another generation.
    #[cfg(not(loom))]
    #[inline(never)]
    fn enter_slowly(&self) -> Entered<'_, T> {
        record::claim_for_thread();
        match self.try_enter() {
            Some(announced) => Entered::announced(announced),
            // A call inside a call, or a thread without a record.
            None => Entered { generation: into_raw(self.load()), exit: Exit::Release, _slot: PhantomData },
        }
    }

    /// Enters the current generation if this thread has a record and is not inside another one: the short way, for
    /// calls.
    #[cfg(not(loom))]
    #[inline(always)]
    pub fn try_enter(&self) -> Option<Announced<'_, T>> {
        let record = record::of_this_thread().filter(|record| record.is_free())?;
        let order = || std::sync::atomic::compiler_fence(Ordering::SeqCst);
        let generation = record::announce(&record.call, &self.current, order);
        Some(Announced { generation, record, _slot: PhantomData })
    }

    /// The current generation. Dearer than [`enter`](Self::enter), but free to go anywhere.
    #[cfg(not(loom))]
    pub fn load(&self) -> Arc<T> {
        record::with_any(|record| self.load_with(record))
    }

    fn load_with(&self, record: &Record) -> Arc<T> {
        record.with_scratch(&self.current, |generation| {
            // SAFETY: the slot's own share is alive while the record announces it.
            unsafe { Arc::increment_strong_count(generation) };
            // SAFETY: the share that was just added.
            unsafe { Arc::from_raw(generation) }
        })
    }

    /// Replaces the current generation. Whoever enters from now on sees the new one.
    pub fn swap(&self, new: Arc<T>) -> Retired<T> {
        let old = self.current.swap(into_raw(new), Ordering::AcqRel);
        let is_ordered = barrier::heavy();
        Retired { generation: old, is_ordered, _owns: PhantomData }
    }
}

impl<T> Drop for HotSlot<T> {
    fn drop(&mut self) {
        // Nobody can be inside: a guard borrows the slot.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: it came from `into_raw`, and this is the slot's own share.
        drop(unsafe { Arc::from_raw(current) });
    }
}

impl<T> fmt::Debug for HotSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HotSlot").finish_non_exhaustive()
    }
}

fn into_raw<T>(generation: Arc<T>) -> *mut T {
    Arc::into_raw(generation).cast_mut()
}

/// A generation that is in use by a short call. It stays on its thread, since the thread's record names it.
#[must_use = "the generation is in use only while the guard lives"]
pub struct Announced<'a, T> {
    generation: *mut T,
    record: &'static Record,
    _slot: PhantomData<(&'a HotSlot<T>, *mut T)>,
}

#[cfg(not(loom))]
impl<T> Announced<'_, T> {
    /// A share of the generation, free to go anywhere.
    pub fn share(&self) -> Arc<T> {
        // SAFETY: the record keeps it alive.
        unsafe { Arc::increment_strong_count(self.generation) };
        // SAFETY: the share that was just added.
        unsafe { Arc::from_raw(self.generation) }
    }

    /// Counts this call, if somebody counts. Returns whether it may go on: otherwise its time is to be taken, and it
    /// [begins](Entered::begin) the long way.
    #[inline(always)]
    pub fn count(&self, tally: Option<&Tally>) -> bool {
        tally.is_none_or(|tally| tally.count(self.record))
    }
}

impl<T> Deref for Announced<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the record keeps it alive.
        unsafe { &*self.generation }
    }
}

impl<T> Drop for Announced<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        leave(&self.record.call);
    }
}

impl<T: fmt::Debug> fmt::Debug for Announced<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A generation that is in use. It stays on its thread, since the thread's record names it.
#[must_use = "the generation is in use only while the guard lives"]
pub struct Entered<'a, T> {
    generation: *mut T,
    exit: Exit,
    _slot: PhantomData<(&'a HotSlot<T>, *mut T)>,
}

/// What ends the use.
enum Exit {
    Leave(&'static Record),
    Release,
}

#[cfg(not(loom))]
impl<'a, T> Entered<'a, T> {
    #[inline(always)]
    fn announced(announced: Announced<'a, T>) -> Self {
        let announced = std::mem::ManuallyDrop::new(announced);
        let (generation, record) = (announced.generation, announced.record);
        Self { generation, exit: Exit::Leave(record), _slot: PhantomData }
    }

    /// A share of the generation, free to go anywhere.
    pub fn share(&self) -> Arc<T> {
        // SAFETY: the guard keeps it alive.
        unsafe { Arc::increment_strong_count(self.generation) };
        // SAFETY: the share that was just added.
        unsafe { Arc::from_raw(self.generation) }
    }

    /// Counts this call, and takes the time if that is to be handed to [`Tally::end`].
    pub fn begin(&self, tally: &Tally) -> Option<Instant> {
        match self.exit {
            Exit::Leave(record) => tally.begin(Some(record)),
            // A thread that is inside another call has a record all the same.
            Exit::Release => tally.begin(record::of_this_thread()),
        }
    }
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the record or the share of this guard keeps it alive.
        unsafe { &*self.generation }
    }
}

impl<T> Drop for Entered<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.exit {
            Exit::Leave(record) => leave(&record.call),
            // SAFETY: `enter` took this share.
            Exit::Release => drop(unsafe { Arc::from_raw(self.generation) }),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Entered<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A generation that was replaced. Threads that entered it before may still be inside.
#[must_use = "an old generation is freed when nobody is inside it any more"]
pub struct Retired<T: Send + Sync + 'static> {
    generation: *mut T,
    /// Whether the readers were ordered. If not, it is never known to be idle, and leaks.
    is_ordered: bool,
    _owns: PhantomData<Arc<T>>,
}

#[cfg(not(loom))]
impl<T: Send + Sync + 'static> Retired<T> {
    /// Whether no thread is inside. A thread that comes late may announce the generation for a moment, finds that it
    /// was replaced, and never enters it.
    pub fn is_idle(&self) -> bool {
        self.is_ordered && !any_holds(self.generation.cast())
    }

    /// The generation, if nobody is inside any more.
    ///
    /// # Errors
    ///
    /// The generation itself, while somebody is.
    pub fn into_arc(self) -> Result<Arc<T>, Self> {
        if !self.is_idle() {
            return Err(self);
        }
        let generation = std::mem::ManuallyDrop::new(self).generation;
        // SAFETY: `swap` took the slot's share out, and it is handed on once.
        Ok(unsafe { Arc::from_raw(generation) })
    }
}

#[cfg(not(loom))]
impl<T: Send + Sync + 'static> Drop for Retired<T> {
    fn drop(&mut self) {
        if self.is_idle() {
            // SAFETY: `swap` took the slot's share out, and `into_arc` does not drop what it hands on.
            drop(unsafe { Arc::from_raw(self.generation) });
        } else if self.is_ordered {
            limbo::add(self.generation);
        }
        limbo::sweep();
    }
}

impl<T: Send + Sync> fmt::Debug for Retired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retired").finish_non_exhaustive()
    }
}

// SAFETY: it is a share of a `T` that may be used and dropped on any thread.
unsafe impl<T: Send + Sync> Send for Retired<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Retired<T> {}

/// Generations that were dropped while somebody was inside; each later drop frees those that became idle.
#[cfg(not(loom))]
mod limbo {
    use super::{Arc, Mutex, PoisonError, any_holds};

    struct Waiting {
        generation: *mut (),
        free: fn(*mut ()),
    }

    // SAFETY: it is a share of a generation that may be dropped on any thread.
    unsafe impl Send for Waiting {}

    static WAITING: Mutex<Vec<Waiting>> = Mutex::new(Vec::new());

    /// Takes the slot's share of a generation.
    pub(super) fn add<T: Send + Sync + 'static>(generation: *mut T) {
        let generation = generation.cast();
        // SAFETY: `sweep` calls it once, with the share that was added as this type.
        let free = |generation: *mut ()| drop(unsafe { Arc::from_raw(generation.cast::<T>()) });
        lock().push(Waiting { generation, free });
    }

    pub(super) fn sweep() {
        // All of it under the lock: what another thread's sweep had in its hands would be overlooked here, and wait for
        // the next drop.
        let mut waiting = lock();
        let (busy, idle): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *waiting).into_iter().partition(|waiting| any_holds(waiting.generation));
        *waiting = busy;
        // Outside the lock: a destructor may retire a generation of its own.
        drop(waiting);
        for waiting in idle {
            (waiting.free)(waiting.generation);
        }
    }

    fn lock() -> std::sync::MutexGuard<'static, Vec<Waiting>> {
        WAITING.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Says its number when it is freed.
    #[derive(Debug)]
    struct Numbered(u8, Sender<u8>);

    impl Drop for Numbered {
        fn drop(&mut self) {
            let _ = self.1.send(self.0);
        }
    }

    #[test]
    fn a_busy_generation_outlives_its_retirement() {
        let (freed, said) = channel();
        let slot = HotSlot::new(Arc::new(Numbered(1, freed.clone())));
        let inside = slot.enter();
        let old = slot.swap(Arc::new(Numbered(2, freed.clone())));
        assert!(!old.is_idle());
        let old = old.into_arc().expect_err("somebody is inside");
        drop(old);
        assert!(said.try_recv().is_err(), "nothing is freed while somebody is inside");
        drop(inside);
        drop(slot.swap(Arc::new(Numbered(3, freed))));
        // The second at once, and the first swept with it: perhaps by another test's thread, which may take a moment.
        let mut numbers =
            [(); 2].map(|()| said.recv_timeout(Duration::from_secs(30)).expect("both are freed"));
        numbers.sort();
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn a_call_inside_a_call_holds_its_generation() {
        let (outer, inner) = (HotSlot::new(Arc::new(1)), HotSlot::new(Arc::new(2)));
        let first = outer.enter();
        let second = inner.enter();
        let old = inner.swap(Arc::new(3)).into_arc().expect("the inner guard has a share of its own");
        assert_eq!((*first, *second, *inner.enter(), *old), (1, 2, 3, 2));
        assert!(!outer.swap(Arc::new(4)).is_idle());
    }

    #[test]
    fn readers_never_see_a_freed_generation() {
        let slot = HotSlot::new(Arc::new(vec![0_u64; 16]));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let values = slot.enter();
                        assert!(values.iter().all(|value| *value == values[0]));
                    }
                });
            }
            for round in 1..2_000 {
                drop(slot.swap(Arc::new(vec![round; 16])));
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}

#[cfg(all(test, loom))]
mod model {
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::super::sync::fence;
    use super::*;

    /// One reader that enters twice and one writer that swaps and frees, in every order.
    #[test]
    fn no_generation_is_freed_under_a_reader() {
        loom::model(|| {
            let slot = loom::sync::Arc::new(HotSlot::new(Arc::new(AtomicUsize::new(1))));
            let record: &'static Record = Box::leak(Box::new(Record::new()));
            let reader = thread::spawn({
                let slot = slot.clone();
                move || {
                    for _ in 0..2 {
                        let generation =
                            record::announce(&record.call, &slot.current, || fence(Ordering::SeqCst));
                        // SAFETY: this is what the model checks.
                        let alive = unsafe { &*generation }.load(Ordering::Relaxed);
                        assert_eq!(alive, 1);
                        leave(&record.call);
                    }
                }
            });
            let old = slot.swap(Arc::new(AtomicUsize::new(1)));
            // SAFETY: the share that the slot gave up.
            let generation = unsafe { Arc::from_raw(old.generation) };
            if !record.holds(old.generation.cast()) {
                // What freeing it would do: a reader that is inside all the same sees the zero.
                generation.store(0, Ordering::Relaxed);
            }
            reader.join().expect("the reader saw only live generations");
        });
    }

    /// A slow reader takes a share while the writer swaps.
    #[test]
    fn a_share_is_never_taken_of_a_freed_generation() {
        loom::model(|| {
            let slot = loom::sync::Arc::new(HotSlot::new(Arc::new(AtomicUsize::new(1))));
            let record: &'static Record = Box::leak(Box::new(Record::new()));
            let reader = thread::spawn({
                let slot = slot.clone();
                move || assert_eq!(slot.load_with(record).load(Ordering::Relaxed), 1)
            });
            let old = slot.swap(Arc::new(AtomicUsize::new(1)));
            // SAFETY: the share that the slot gave up.
            let generation = unsafe { Arc::from_raw(old.generation) };
            if record.holds(old.generation.cast()) {
                reader.join().expect("the reader saw a live generation");
            } else {
                // A reader that has a share of its own keeps it alive; the checker knows each share.
                drop(generation);
                reader.join().expect("the reader saw a live generation");
            }
        });
    }
}

//! Wakes calls whose deadline has come, on one thread of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use jackfield_core::Timer;

/// A timer whose thread starts with the first deadline, and ends with the timer.
#[derive(Default)]
pub(super) struct ThreadTimer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// What waits: each deadline, told apart by a number, and whom it wakes.
#[derive(Default)]
struct State {
    waiting: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    is_running: bool,
}

impl Timer for ThreadTimer {
    fn wake_at(&self, deadline: Instant, waker: Waker) -> Box<dyn Send> {
        let mut state = self.shared.lock();
        let number = state.next;
        state.next += 1;
        state.waiting.insert((deadline, number), waker);
        if !state.is_running {
            let shared = Arc::downgrade(&self.shared);
            let thread = std::thread::Builder::new().name("jackfield-timer".to_owned());
            // Without a thread deadlines are seen late, when the call is polled for another reason.
            state.is_running = thread.spawn(move || run(&shared)).is_ok();
        }
        drop(state);
        self.shared.changed.notify_one();
        Box::new(Alarm { shared: Arc::downgrade(&self.shared), key: (deadline, number) })
    }
}

/// Nobody is left who could wait.
impl Drop for ThreadTimer {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut self.shared.lock().waiting);
        self.shared.changed.notify_one();
        drop(waiting);
    }
}

/// What waits, until this is dropped.
struct Alarm {
    shared: Weak<Shared>,
    key: (Instant, u64),
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            // Outside the lock: a waker's destructor may be anybody's code.
            let waker = shared.lock().waiting.remove(&self.key);
            drop(waker);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes what is due, and waits for the next, until nothing is left or the timer has gone.
fn run(shared: &Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let mut state = shared.lock();
        let now = Instant::now();
        let later = state.waiting.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut state.waiting, later);
        let Some((&(next, _), _)) = state.waiting.first_key_value() else {
            state.is_running = false;
            drop(state);
            wake(due);
            return;
        };
        if due.is_empty() {
            let left = next.saturating_duration_since(now);
            drop(shared.changed.wait_timeout(state, left));
        } else {
            drop(state);
            wake(due);
        }
    }
}

/// Wakes them outside the lock: whoever is woken may ask for another deadline.
fn wake(due: BTreeMap<(Instant, u64), Waker>) {
    due.into_values().for_each(Waker::wake);
}

impl fmt::Debug for ThreadTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTimer").finish_non_exhaustive()
    }
}

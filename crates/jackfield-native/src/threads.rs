//! Knows which threads a library has started and which of them still run.
//!
//! A library calls `pthread_create` through an address that we have replaced, like those in
//! [`thread_locals`](crate::thread_locals). A thread counts from there until its last thread-local is gone: until then
//! the library must stay mapped.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::os;
use crate::thread_locals::{Holders, holders_at};

/// The threads that a library has started and that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Started {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// Each thread's identity in the kernel, once it runs.
    threads: BTreeMap<u64, Option<i32>>,
}

impl Started {
    /// Waits until all have ended, and says whether they have.
    pub(crate) fn wait(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        let mut state = self.lock();
        while !state.threads.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// What to tell people of those that run.
    pub(crate) fn names(&self) -> Vec<String> {
        let state = self.lock();
        let name = |id: &Option<i32>| id.map_or_else(|| "a thread".to_owned(), os::thread_of);
        state.threads.values().map(|id| format!("{}, which the plugin started", name(id))).collect()
    }

    fn add(&self) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.threads.insert(number, None);
        number
    }

    fn begin(&self, number: u64) {
        self.lock().threads.insert(number, Some(os::thread_id()));
    }

    fn remove(&self, number: u64) {
        self.lock().threads.remove(&number);
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the calling thread was started by the library of these holders.
pub(crate) fn is_started_by(holders: &Arc<Holders>) -> bool {
    let is_own = |owner: &RefCell<Option<Owner>>| {
        owner.borrow().as_ref().is_some_and(|owner| Arc::ptr_eq(&owner.holders, holders))
    };
    OWNER.try_with(is_own).unwrap_or(false)
}

/// A thread of a library, from its creation to its end.
struct Owner {
    holders: Arc<Holders>,
    number: u64,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.holders.started().remove(self.number);
    }
}

type Start = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// What a thread of a library begins with.
struct Beginning {
    start: Start,
    argument: *mut c_void,
    owner: Owner,
}

/// Stands in for `pthread_create` in a library.
pub(crate) unsafe extern "C" fn create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    let Some(holders) = holders_at(start as *const () as usize) else {
        // SAFETY: passed on.
        return unsafe { pthread_create(thread, attributes, start, argument) };
    };
    let number = holders.started().add();
    let beginning = Box::new(Beginning { start, argument, owner: Owner { holders, number } });
    let beginning = Box::into_raw(beginning).cast();
    // SAFETY: passed on, with a function that takes the box.
    let status = unsafe { pthread_create(thread, attributes, begin, beginning) };
    if status != 0 {
        // SAFETY: there is no thread that could have taken it.
        drop(unsafe { Box::from_raw(beginning.cast::<Beginning>()) });
    }
    status
}

/// Runs a thread of a library. It holds nothing while the library's code runs, since that may leave through
/// `pthread_exit`: what ends with the thread is a thread-local, which was there before any of the library's, so that it
/// ends after them.
unsafe extern "C-unwind" fn begin(beginning: *mut c_void) -> *mut c_void {
    // SAFETY: `create` boxed it for this one call.
    let (start, argument) = own(*unsafe { Box::from_raw(beginning.cast::<Beginning>()) });
    // SAFETY: this is what the library asked for.
    unsafe { start(argument) }
}

fn own(beginning: Beginning) -> (Start, *mut c_void) {
    let Beginning { start, argument, owner } = beginning;
    owner.holders.started().begin(owner.number);
    OWNER.with(|own| own.replace(Some(owner)));
    (start, argument)
}

unsafe extern "C" {
    /// As in `<pthread.h>`, with a function that may be left by `pthread_exit`.
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: Start,
        argument: *mut c_void,
    ) -> c_int;
}

thread_local! {
    /// Whose the thread is, unless it is the host's.
    static OWNER: RefCell<Option<Owner>> = const { RefCell::new(None) };
}

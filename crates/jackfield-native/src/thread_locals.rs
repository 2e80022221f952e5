//! Knows which threads hold a thread-local of which library, and runs no destructor of a library that is gone.
//!
//! There are two ways in which a library asks for a destructor to run at the end of a thread, and glibc tells about
//! neither. `__cxa_thread_atexit_impl` keeps the library mapped until the destructor has run: we note the thread.
//! `pthread_key_create` does not: the destructor would run, or crash, after the library was unmapped. So we create
//! the library's keys without a destructor, run the destructor ourselves while the library is open, and skip it when it
//! was closed. (Rust's std uses a key to drop a thread's own handle; skipping it leaks about a hundred bytes.)
//!
//! A library calls these functions through addresses that the loader wrote into its tables. We replace those by our
//! own functions, which pass everything on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jackfield_abi::Thread;

use crate::os;
use crate::tables::{Import, Tables};
use crate::threads::{self, Started};

/// What the threads of this process hold of one library.
#[derive(Debug)]
pub(crate) struct Holders {
    /// Which library it is, of all that this process has ever watched.
    number: u64,
    /// The threads that have yet to run a destructor that keeps the library mapped, and how many of them.
    threads: Mutex<BTreeMap<String, usize>>,
    /// The library's keys, each with its destructor.
    keys: Mutex<Vec<(Key, Destructor)>>,
    /// The threads that the library itself has started.
    started: Started,
    /// Whether the library was closed. Held for reading while one of its key destructors runs.
    is_closed: RwLock<bool>,
}

impl Holders {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            threads: Mutex::default(),
            keys: Mutex::default(),
            started: Started::default(),
            is_closed: RwLock::new(false),
        }
    }

    /// The threads that keep the library mapped.
    pub(crate) fn threads(&self) -> Vec<String> {
        let started = self.started.names();
        if started.is_empty() { lock(&self.threads).keys().cloned().collect() } else { started }
    }

    /// The threads that the library itself has started.
    pub(crate) fn started(&self) -> &Started {
        &self.started
    }

    /// Whose thread the calling one is.
    pub(crate) fn calling_thread(self: &Arc<Self>) -> Thread {
        let is_ending = ENDING.get() == Arc::as_ptr(self);
        Thread { is_own: threads::is_started_by(self), is_ending }
    }

    fn add(&self, thread: &str) {
        *lock(&self.threads).entry(thread.to_owned()).or_default() += 1;
    }

    fn remove(&self, thread: &str) {
        let mut threads = lock(&self.threads);
        if let Some(count) = threads.get_mut(thread) {
            *count -= 1;
            if *count == 0 {
                threads.remove(thread);
            }
        }
    }

    fn destructor(&self, key: Key) -> Option<Destructor> {
        lock(&self.keys).iter().find(|(other, _)| *other == key).map(|(_, destructor)| *destructor)
    }

    /// Runs the destructor of this thread's value of a key, unless the library was closed.
    fn run(&self, key: Key) {
        let is_closed = self.is_closed.read().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return;
        }
        // SAFETY: the key exists until the library is forgotten.
        let value = unsafe { libc::pthread_getspecific(key) };
        if let (Some(destructor), false) = (self.destructor(key), value.is_null()) {
            // SAFETY: as above. The destructor must find the key empty, as pthreads promise.
            unsafe { libc::pthread_setspecific(key, std::ptr::null()) };
            // SAFETY: the library gave it for values of this key, and cannot be closed meanwhile.
            unsafe { destructor(value) };
        }
    }
}

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
    /// The library is loaded with these tables, relative to `base`, and no other thread runs its code.
    pub(crate) unsafe fn new(base: *mut u8, tables: &Tables) -> io::Result<Self> {
        let holders = Arc::new(Holders::new());
        let range = base.addr()..base.addr().saturating_add(tables.extent() as usize);
        lock(&WATCHED).push((range, holders.clone()));
        let watch = Self { holders };
        let place = |offset: u64| base.wrapping_add(offset as usize).cast();
        let places = tables.imports.iter().map(|(import, offset)| (place(*offset), replacement(*import)));
        // SAFETY: the tables say that the loader wrote the addresses of these functions there, and they lie within the
        // library; each replacement has its function's type.
        unsafe { os::patch(&places.collect::<Vec<_>>(), base.addr(), &tables.relro) }?;
        Ok(watch)
    }

    /// Who keeps the library mapped.
    pub(crate) fn holders(&self) -> &Arc<Holders> {
        &self.holders
    }

    /// Says that the library is about to be closed: from now on none of its key destructors runs. Waits for those that
    /// are running.
    pub(crate) fn close(&self) {
        *self.holders.is_closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// The library is gone. Its addresses and its keys may be used again.
impl Drop for Watch {
    fn drop(&mut self) {
        lock(&WATCHED).retain(|(_, holders)| !Arc::ptr_eq(holders, &self.holders));
        for (key, _) in lock(&self.holders.keys).drain(..) {
            // SAFETY: we created it for the library, which is gone.
            unsafe { libc::pthread_key_delete(key) };
        }
    }
}

type Key = libc::pthread_key_t;
type Destructor = unsafe extern "C" fn(*mut c_void);
type AtExit = unsafe extern "C" fn(Destructor, *mut c_void, *mut c_void) -> c_int;

fn replacement(import: Import) -> usize {
    match import {
        Import::AtExit => at_exit as *const () as usize,
        Import::KeyCreate => key_create as *const () as usize,
        Import::SetSpecific => set_specific as *const () as usize,
        Import::ThreadCreate => threads::create as *const () as usize,
    }
}

/// A registration that is passed on.
struct Registration {
    destructor: Destructor,
    object: *mut c_void,
    thread: String,
    holders: Option<Arc<Holders>>,
}

/// Stands in for `__cxa_thread_atexit_impl` in a library. `library` is an address inside of it.
unsafe extern "C" fn at_exit(destructor: Destructor, object: *mut c_void, library: *mut c_void) -> c_int {
    let Some(real) = real_at_exit() else { return -1 };
    let holders = holders_at(library.addr());
    let thread = os::thread();
    if let Some(holders) = &holders {
        holders.add(&thread);
    }
    let registration = Box::into_raw(Box::new(Registration { destructor, object, thread, holders })).cast();
    // SAFETY: `finish` takes the registration, once, as the C library calls each destructor once.
    unsafe { real(finish, registration, library) }
}

/// Runs a destructor that was registered through [`at_exit`]. The C library unmaps nothing before it returns.
unsafe extern "C" fn finish(registration: *mut c_void) {
    // SAFETY: `at_exit` boxed it for this one call.
    let registration = unsafe { Box::from_raw(registration.cast::<Registration>()) };
    let outer = ENDING.replace(registration.holders.as_ref().map_or(std::ptr::null(), Arc::as_ptr));
    // SAFETY: this is what the library asked for.
    unsafe { (registration.destructor)(registration.object) };
    ENDING.set(outer);
    if let Some(holders) = &registration.holders {
        holders.remove(&registration.thread);
    }
}

/// The C library's own function, which some C libraries do not have.
fn real_at_exit() -> Option<AtExit> {
    const NAME: &CStr = c"__cxa_thread_atexit_impl";
    static REAL: OnceLock<Option<AtExit>> = OnceLock::new();
    *REAL.get_or_init(|| {
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
        // SAFETY: a function of this name has this type in every C library that has it.
        (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, AtExit>(found) })
    })
}

/// Stands in for `pthread_key_create` in a library.
unsafe extern "C" fn key_create(key: *mut Key, destructor: Option<Destructor>) -> c_int {
    let owner =
        destructor.and_then(|destructor| Some((destructor, holders_at(destructor as *const () as usize)?)));
    let Some((destructor, holders)) = owner else {
        // SAFETY: passed on.
        return unsafe { libc::pthread_key_create(key, destructor) };
    };
    match create_above(own_key()) {
        Ok(created) => {
            lock(&holders.keys).push((created, destructor));
            // SAFETY: the library gave a place for it.
            unsafe { key.write(created) };
            0
        }
        Err(status) => status,
    }
}

/// Creates a key without a destructor, above our own if there is one left.
///
/// At the end of a thread C libraries go through its keys in ascending order, and take away the values of those without
/// a destructor too. So what our own key's destructor is to find must lie above it.
fn create_above(own: Option<Key>) -> Result<Key, c_int> {
    let mut below = Vec::new();
    let result = loop {
        let mut key = 0;
        // SAFETY: the place is valid.
        match unsafe { libc::pthread_key_create(&raw mut key, None) } {
            0 if own.is_none_or(|own| key > own) => break Ok(key),
            0 => below.push(key),
            // A value that is lost with its thread is the lesser evil: std aborts where it has no key.
            status => break below.pop().ok_or(status),
        }
    };
    for key in below {
        // SAFETY: it was created above, and nobody else knows of it.
        unsafe { libc::pthread_key_delete(key) };
    }
    result
}

/// Stands in for `pthread_setspecific` in a library.
unsafe extern "C" fn set_specific(key: Key, value: *const c_void) -> c_int {
    // SAFETY: passed on.
    let status = unsafe { libc::pthread_setspecific(key, value) };
    if status == 0
        && !value.is_null()
        && let Some(library) = library_of(key)
    {
        remember(key, library);
    }
    status
}

/// The keys for which this thread has had a value, each with the number of its library. They hold nothing of a library,
/// which may go before the thread does.
type Remembered = RefCell<Vec<(Key, u64)>>;

/// Sees to it that a key's destructor is run at the end of this thread.
fn remember(key: Key, library: u64) {
    let Some(own) = own_key() else { return };
    // SAFETY: the key is never deleted.
    let list = unsafe { libc::pthread_getspecific(own) }.cast::<Remembered>();
    let list = if list.is_null() {
        let list = Box::into_raw(Box::new(Remembered::default()));
        // SAFETY: as above. `run_remembered` takes the box.
        unsafe { libc::pthread_setspecific(own, list.cast()) };
        list
    } else {
        list
    };
    // SAFETY: only this thread reaches it, and `run_remembered` ends it.
    let mut list = unsafe { &*list }.borrow_mut();
    if list.contains(&(key, library)) {
        return;
    }
    if list.len() == list.capacity() {
        // A thread that outlives many libraries remembers no more than there are.
        let watched = lock(&WATCHED);
        list.retain(|(_, library)| watched.iter().any(|(_, holders)| holders.number == *library));
    }
    list.push((key, library));
}

/// Our own key, whose destructor runs those of the libraries: as late as theirs would run.
fn own_key() -> Option<Key> {
    static KEY: OnceLock<Option<Key>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the place is valid, and the destructor stays mapped with this code.
        (unsafe { libc::pthread_key_create(&raw mut key, Some(run_remembered)) } == 0).then_some(key)
    })
}

/// Runs what this thread remembers. What its destructors set is run at once, as often as pthreads would: the C library
/// goes on to the keys above our own, and would take those values away before it comes back.
unsafe extern "C" fn run_remembered(list: *mut c_void) {
    let mut list = list.cast::<Remembered>();
    for _ in 0..ROUNDS {
        // SAFETY: `remember` boxed it, and the key is empty.
        for (key, library) in unsafe { Box::from_raw(list) }.take() {
            // A library that is gone took its keys along, and their numbers may be another's now.
            if let Some(holders) = holders_numbered(library) {
                holders.run(key);
            }
        }
        list = take_remembered();
        if list.is_null() {
            return;
        }
    }
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(list) });
}

/// What was remembered since the key was emptied.
fn take_remembered() -> *mut Remembered {
    let Some(own) = own_key() else { return std::ptr::null_mut() };
    // SAFETY: the key is never deleted.
    let list = unsafe { libc::pthread_getspecific(own) }.cast::<Remembered>();
    if !list.is_null() {
        // SAFETY: as above.
        unsafe { libc::pthread_setspecific(own, std::ptr::null()) };
    }
    list
}

/// `PTHREAD_DESTRUCTOR_ITERATIONS`.
const ROUNDS: usize = 4;

/// The library at this address.
pub(crate) fn holders_at(address: usize) -> Option<Arc<Holders>> {
    // From the newest on: an address of a library that is gone may be another's now.
    let watched = lock(&WATCHED);
    watched.iter().rev().find(|(range, _)| range.contains(&address)).map(|(_, holders)| holders.clone())
}

/// The number of the library that made this key.
fn library_of(key: Key) -> Option<u64> {
    let watched = lock(&WATCHED);
    watched.iter().find(|(_, holders)| holders.destructor(key).is_some()).map(|(_, holders)| holders.number)
}

fn holders_numbered(library: u64) -> Option<Arc<Holders>> {
    let watched = lock(&WATCHED);
    watched.iter().find(|(_, holders)| holders.number == library).map(|(_, holders)| holders.clone())
}

type Watched = Vec<(Range<usize>, Arc<Holders>)>;

/// The libraries that are watched. A registration comes from C and brings nothing but an address, so there is no
/// owner in which this could be a field.
static WATCHED: Mutex<Watched> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// The library one of whose destructors runs on this thread, at the end of it.
    static ENDING: Cell<*const Holders> = const { Cell::new(std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    static RUNS: AtomicUsize = AtomicUsize::new(0);

    /// What the destructor is run with again, as std's own is.
    static AGAIN: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn destructor(value: *mut c_void) {
        RUNS.fetch_add(1, Ordering::SeqCst);
        if value.addr() == 1 {
            let key = AGAIN.load(Ordering::SeqCst) as Key;
            // SAFETY: it is the key whose destructor this is.
            assert_eq!(unsafe { set_specific(key, ptr::without_provenance(2)) }, 0);
        }
    }

    /// A library of which there is nothing but this destructor.
    fn library() -> Watch {
        let holders = Arc::new(Holders::new());
        let address = destructor as *const () as usize;
        lock(&WATCHED).push((address..address + 1, holders.clone()));
        Watch { holders }
    }

    fn key() -> Key {
        let mut key = 0;
        // SAFETY: the place is valid, and the destructor takes whatever it is given.
        assert_eq!(unsafe { key_create(&raw mut key, Some(destructor)) }, 0);
        key
    }

    /// How often the destructor runs at the end of a thread that set this value, and then does this.
    fn runs(key: Key, value: usize, then: impl FnOnce() + Send) -> usize {
        let before = RUNS.load(Ordering::SeqCst);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // SAFETY: the key exists.
                assert_eq!(unsafe { set_specific(key, ptr::without_provenance(value)) }, 0);
                then();
            });
            thread.join().expect("it ends");
        });
        RUNS.load(Ordering::SeqCst) - before
    }

    /// How many keys this thread remembers.
    fn remembered() -> usize {
        // SAFETY: the key is never deleted.
        let list = unsafe { libc::pthread_getspecific(own_key().expect("a key")) }.cast::<Remembered>();
        // SAFETY: only this thread reaches it.
        unsafe { &*list }.borrow().len()
    }

    #[test]
    fn keys_are_run_while_their_library_is_there_and_no_longer_remembered_than_that() {
        // A key below our own is free again.
        let mut below = 0;
        // SAFETY: the place is valid.
        assert_eq!(unsafe { libc::pthread_key_create(&raw mut below, None) }, 0);
        assert!(own_key().is_some_and(|own| own > below));
        // SAFETY: it was created above.
        assert_eq!(unsafe { libc::pthread_key_delete(below) }, 0);

        let watch = library();
        let key = self::key();
        assert_eq!(runs(key, 7, || {}), 1);
        AGAIN.store(key as usize, Ordering::SeqCst);
        assert_eq!(runs(key, 1, || {}), 2, "it asked to be run again");
        assert_eq!(runs(key, 0, || {}), 0, "there is nothing to destroy");
        assert_eq!(runs(key, 7, || watch.close()), 0, "the library was closed");
        let watch = Mutex::new(Some(watch));
        // Nor is the destructor run because another library has the key's number now.
        let mut next = None;
        let reuse = || {
            drop(lock(&watch).take());
            next = Some((library(), self::key()));
        };
        assert_eq!(runs(key, 7, reuse), 0, "the library is gone");
        assert_eq!(next.map(|(_next, reused)| reused), Some(key));

        for _ in 0..1000 {
            let _library = library();
            // SAFETY: the key exists.
            assert_eq!(unsafe { set_specific(self::key(), ptr::without_provenance(7)) }, 0);
        }
        assert!(remembered() <= 4, "{}", remembered());
    }
}

//! Knows which threads hold a thread-local of which library.
//!
//! glibc keeps a library mapped while a thread has yet to run a destructor that the library registered for it, and
//! tells nobody who that is. A library registers through one function, `__cxa_thread_atexit_impl`, whose address the
//! loader wrote into the library's tables. We replace that address by our own function, which notes the calling
//! thread and passes the registration on.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::elf::Tables;
use crate::os;

/// The threads that have yet to run a destructor of one library, with the number of those destructors.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<BTreeMap<String, usize>>);

impl Holders {
    /// The threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn add(&self, thread: &str) {
        *self.lock().entry(thread.to_owned()).or_default() += 1;
    }

    fn remove(&self, thread: &str) {
        let mut threads = self.lock();
        if let Some(count) = threads.get_mut(thread) {
            *count -= 1;
            if *count == 0 {
                threads.remove(thread);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the registrations of a library that was just loaded.
///
/// # Safety
///
/// The library is mapped at `base` with these tables and this extent, and none of its code runs meanwhile.
pub(crate) unsafe fn watch(base: *mut u8, len: usize, tables: &Tables) -> io::Result<Watch> {
    let holders = Arc::new(Holders::default());
    let range = base.addr()..base.addr() + len;
    lock().push((range.clone(), holders.clone()));
    let watch = Watch { range, holders };
    let relro = base.addr() + tables.relro.start as usize..base.addr() + tables.relro.end as usize;
    for offset in &tables.registrations {
        let at = base.wrapping_add(*offset as usize).cast();
        // SAFETY: the loader wrote the address of `__cxa_thread_atexit_impl` there, whose type `register` has.
        unsafe { os::patch(at, register as *const () as usize, &relro) }?;
    }
    Ok(watch)
}

/// A library that is being watched.
#[derive(Debug)]
pub(crate) struct Watch {
    range: Range<usize>,
    holders: Arc<Holders>,
}

impl Watch {
    /// Who holds a thread-local of the library.
    pub(crate) fn holders(&self) -> &Arc<Holders> {
        &self.holders
    }

    /// Forgets the library, whose addresses may be used again.
    pub(crate) fn forget(&self) {
        lock().retain(|(range, _)| *range != self.range);
    }
}

type Destructor = unsafe extern "C" fn(*mut c_void);

/// A registration that is passed on.
struct Registration {
    destructor: Destructor,
    object: *mut c_void,
    thread: String,
    holders: Option<Arc<Holders>>,
}

/// Stands in for `__cxa_thread_atexit_impl` in a library. `library` is an address inside of it.
unsafe extern "C" fn register(destructor: Destructor, object: *mut c_void, library: *mut c_void) -> c_int {
    let holders = holders_of(library.addr());
    let thread = os::thread();
    if let Some(holders) = &holders {
        holders.add(&thread);
    }
    let registration = Box::into_raw(Box::new(Registration { destructor, object, thread, holders })).cast();
    // SAFETY: `finish` takes the registration, once, as the C library calls each destructor once.
    unsafe { __cxa_thread_atexit_impl(finish, registration, library) }
}

/// Runs a destructor that was registered through [`register`]. The C library unmaps nothing before it returns.
unsafe extern "C" fn finish(registration: *mut c_void) {
    // SAFETY: `register` boxed it for this one call.
    let registration = unsafe { Box::from_raw(registration.cast::<Registration>()) };
    // SAFETY: this is what the library asked for.
    unsafe { (registration.destructor)(registration.object) };
    if let Some(holders) = &registration.holders {
        holders.remove(&registration.thread);
    }
}

fn holders_of(address: usize) -> Option<Arc<Holders>> {
    lock().iter().find(|(range, _)| range.contains(&address)).map(|(_, holders)| holders.clone())
}

unsafe extern "C" {
    fn __cxa_thread_atexit_impl(destructor: Destructor, object: *mut c_void, library: *mut c_void) -> c_int;
}

type Watched = Vec<(Range<usize>, Arc<Holders>)>;

/// The libraries that are watched. A registration comes from C and brings nothing but an address, so there is no
/// owner in which this could be a field.
static WATCHED: Mutex<Watched> = Mutex::new(Vec::new());

fn lock() -> std::sync::MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

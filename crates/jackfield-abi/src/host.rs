//! What a host does for each library: functions that a library may call for as long as it is mapped.

use std::ffi::c_void;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::log::{Level, Record};

/// What a host does for one library.
pub trait Host: Send + Sync {
    /// Takes an event of the plugin's log, on whatever thread it happens.
    fn log(&self, record: &Record<'_>);

    /// The least important level that the host wants to hear of, or `None` if it wants nothing. It is asked for every
    /// event, so that a change is felt at once.
    fn max_level(&self) -> Option<Level>;

    /// Whose thread the calling one is, and how far it has come.
    fn thread(&self) -> Thread;
}

/// Whose thread it is on which a library runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Whether the library started it.
    pub is_own: bool,
    /// Whether it is about to end, and runs a destructor of a thread-local of the library.
    pub is_ending: bool,
}

/// A [`Host`] in C layout. It must not move or end while anything of the library can run.
pub struct Attachment {
    table: Box<HostTable>,
    _host: Box<Shared>,
}

/// What the table's data points to.
struct Shared(Box<dyn Host>);

impl Attachment {
    /// A table for one library.
    pub fn new(host: impl Host + 'static) -> Self {
        let host = Box::new(Shared(Box::new(host)));
        let data = (&raw const *host).cast();
        let size = size_of::<HostTable>();
        let table = HostTable { size, host: data, log, max_level, thread };
        Self { table: Box::new(table), _host: host }
    }

    pub(crate) fn table(&self) -> *const HostTable {
        &raw const *self.table
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

// SAFETY: the table points to the host beside it, which is `Send`.
unsafe impl Send for Attachment {}
// SAFETY: as above, and `Sync`.
unsafe impl Sync for Attachment {}

/// The functions of a [`Host`]. `size` lets a later version append some.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct HostTable {
    pub(crate) size: usize,
    pub(crate) host: *const c_void,
    pub(crate) log: unsafe extern "C" fn(*const c_void, *const Record<'_>),
    pub(crate) max_level: unsafe extern "C" fn(*const c_void) -> u32,
    pub(crate) thread: unsafe extern "C" fn(*const c_void) -> u32,
}

/// # Safety
/// `host` is the data of an attachment that is alive.
unsafe fn host<'a>(host: *const c_void) -> &'a dyn Host {
    // SAFETY: `Attachment::new` made it from this type.
    let shared = unsafe { &*host.cast::<Shared>() };
    shared.0.as_ref()
}

unsafe extern "C" fn log(data: *const c_void, record: *const Record<'_>) {
    // SAFETY: the library passes the data of its table.
    let host = unsafe { host(data) };
    // SAFETY: the record is lent for this call.
    let record = unsafe { &*record };
    // What a host does with a record must not unwind into the library.
    let _ = catch_unwind(AssertUnwindSafe(|| host.log(record)));
}

unsafe extern "C" fn max_level(data: *const c_void) -> u32 {
    // SAFETY: the library passes the data of its table.
    let host = unsafe { host(data) };
    catch_unwind(AssertUnwindSafe(|| host.max_level().map_or(0, |level| level as u32))).unwrap_or(0)
}

unsafe extern "C" fn thread(data: *const c_void) -> u32 {
    // SAFETY: the library passes the data of its table.
    let host = unsafe { host(data) };
    let thread = catch_unwind(AssertUnwindSafe(|| host.thread())).unwrap_or_default();
    (u32::from(thread.is_own) * OWN) | (u32::from(thread.is_ending) * ENDING)
}

// The library's side.

/// Remembers the host of this library.
///
/// # Safety
/// The table outlives everything that this library runs.
pub(crate) unsafe fn attach(table: *const HostTable) {
    HOST.store(table.cast_mut(), Ordering::Release);
}

/// The table of this library's host. There is none in code that is linked into its host.
fn attached() -> Option<&'static HostTable> {
    // SAFETY: `attach` was given a table that outlives this code.
    unsafe { HOST.load(Ordering::Acquire).cast_const().as_ref() }
}

/// Hands an event to the host of this library. It is lost where there is none.
pub fn send_log(record: &Record<'_>) {
    if let Some(table) = attached() {
        // SAFETY: the data belongs to the function, and the record lives until it returns.
        unsafe { (table.log)(table.host, record) }
    }
}

/// Whether the host of this library wants to hear of events of this level.
pub fn wants_log(level: Level) -> bool {
    // SAFETY: the data belongs to the function.
    attached().is_some_and(|table| level as u32 <= unsafe { (table.max_level)(table.host) })
}

/// Whose thread the calling one is, as far as the host of this library knows.
pub(crate) fn calling_thread() -> Thread {
    // SAFETY: the data belongs to the function.
    let bits = attached().map_or(0, |table| unsafe { (table.thread)(table.host) });
    Thread { is_own: bits & OWN != 0, is_ending: bits & ENDING != 0 }
}

const OWN: u32 = 1;
const ENDING: u32 = 2;

/// Each library has a static of its own, and one host.
static HOST: AtomicPtr<HostTable> = AtomicPtr::new(std::ptr::null_mut());

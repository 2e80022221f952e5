//! A library that is open, and its symbols.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use jackfield_abi::{HotSlot, Retired};
use jackfield_core::{CallError, Unloaded};

use super::catalog::Catalog;
use super::cell::Live;
use super::error::{LookupError, OpenError};
use super::generation::Generation;
use super::symbol::Symbol;
use super::table::Table;
use crate::image::Digest;
use crate::library::Library;

/// A library that is open, and its symbols. Clones are the same plugin.
///
/// It stays open until [`unload`](Self::unload), whether or not anybody holds it.
#[derive(Clone)]
pub struct Plugin {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    table: HotSlot<Table>,
    /// `None` once it was unloaded. The lock is held for a whole reload or unload.
    generation: Mutex<Option<Generation>>,
    catalog: Weak<Catalog>,
}

impl Plugin {
    pub(super) fn new(first: Generation, catalog: &Arc<Catalog>) -> Self {
        let table = HotSlot::new(Arc::new(Table::first(&first)));
        let (path, catalog) = (first.path.clone(), Arc::downgrade(catalog));
        Self { shared: Arc::new(Shared { path, table, generation: Mutex::new(Some(first)), catalog }) }
    }

    /// The file, as its real path.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The name.
    pub fn name(&self) -> String {
        self.shared.table.enter().identity.name.clone()
    }

    /// The version.
    pub fn version(&self) -> String {
        self.shared.table.enter().identity.version.clone()
    }

    /// The identity: what the plugin was built with, or its name and the digest of its content. No two plugins that
    /// are open have the same.
    pub fn id(&self) -> String {
        self.shared.table.enter().identity.id()
    }

    /// Whether it was built with this identity.
    pub(super) fn has_own_id(&self, id: &str) -> bool {
        self.shared.table.enter().identity.own_id.as_deref() == Some(id)
    }

    /// The digest of exactly the bytes that run.
    pub fn digest(&self) -> Digest {
        self.shared.table.enter().identity.digest.get()
    }

    /// How often it was loaded: 1 after it was opened, one more after each reload.
    pub fn generation(&self) -> u64 {
        self.shared.table.enter().generation
    }

    /// The symbol of this name. Only what the plugin lists in `export!`, or registers in its `init`, has one.
    ///
    /// # Errors
    ///
    /// There is none, or the plugin was unloaded.
    pub fn lookup(&self, name: &str) -> Result<Symbol, LookupError> {
        if let Some(table) = self.shared.table.try_enter()
            && let Some(cell) = table.find(name)
        {
            return Ok(Symbol::new(cell.clone()));
        }
        self.lookup_slowly(name)
    }

    /// All other ways, kept out of line so that the first is short: a thread's first look, a name that is not there.
    #[inline(never)]
    fn lookup_slowly(&self, name: &str) -> Result<Symbol, LookupError> {
        let table = self.shared.table.enter();
        match table.find(name) {
            Some(cell) => Ok(Symbol::new(cell.clone())),
            None => Err(missing(&table, name)),
        }
    }

    /// All symbols, by name.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.shared.table.enter().sorted().into_iter().map(|cell| Symbol::new(cell.clone())).collect()
    }

    /// Reads the file again and replaces the code underneath all symbols that were looked up, while they are called.
    /// Calls that have begun end in the old code, whose library is then unloaded.
    ///
    /// # Errors
    ///
    /// The file cannot be loaded, or a symbol that is in use would be gone or of another type. The old code goes on.
    pub fn reload(&self) -> Result<(), OpenError> {
        match self.shared.catalog.upgrade() {
            Some(catalog) => catalog.reload(self),
            None => Err(OpenError::Unloaded { plugin: self.name() }),
        }
    }

    /// Ends the plugin: from now on every use of its symbols is an error. Waits for the calls that have begun, up to
    /// 30 seconds, and unloads the library.
    ///
    /// It must not be called by the plugin itself: it would wait for that call.
    ///
    /// # Errors
    ///
    /// It was unloaded already.
    pub fn unload(&self) -> Result<Unloaded, CallError> {
        self.unload_within(THREADS_DEADLINE)
    }

    /// Ends the plugin, whose own threads may take so long to end.
    pub(crate) fn unload_within(&self, threads: Duration) -> Result<Unloaded, CallError> {
        match self.shared.catalog.upgrade() {
            Some(catalog) => catalog.end(self, || self.end(threads)),
            None => self.end(threads),
        }
    }

    /// Whether both are the same plugin.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The library, while the plugin is open.
    pub(crate) fn library(&self) -> Option<Arc<Library>> {
        self.lock().as_ref().map(|generation| generation.library().clone())
    }

    /// Whether the plugin's `init` registered a function under this name.
    pub(super) fn has_registered(&self, name: &str) -> bool {
        self.shared.table.enter().has_registered(name)
    }

    /// Replaces the generation.
    pub(super) fn replace(&self, new: Generation) -> Result<(), OpenError> {
        let mut generation = self.lock();
        if generation.is_none() {
            return Err(OpenError::Unloaded { plugin: self.name() });
        }
        let plan = self.shared.table.enter().plan(&new)?;
        let old = generation.replace(new);
        let replaced = plan.carry_out(&self.shared.table);
        if let Some(old) = old {
            close(old, replaced, THREADS_DEADLINE);
        }
        Ok(())
    }

    fn end(&self, threads: Duration) -> Result<Unloaded, CallError> {
        let mut generation = self.lock();
        let error = CallError::Closed { reason: format!("`{}` was unloaded", self.name()) };
        let Some(last) = generation.take() else { return Err(error) };
        let plan = self.shared.table.enter().plan_end(&error);
        Ok(close(last, plan.carry_out(&self.shared.table), threads))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Generation>> {
        self.shared.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("path", &self.shared.path)
            .field("table", &*self.shared.table.enter())
            .finish_non_exhaustive()
    }
}

#[cold]
fn missing(table: &Table, name: &str) -> LookupError {
    if let Some(error) = table.closed() {
        return LookupError::Closed(error.clone());
    }
    LookupError::NotFound {
        plugin: table.identity.name.clone(),
        symbol: name.to_owned(),
        exported: table.sorted().into_iter().map(|cell| cell.name.to_string()).collect(),
    }
}

/// Waits until nobody is in the old code, and closes its library.
fn close(old: Generation, replaced: Vec<Retired<Live>>, threads: Duration) -> Unloaded {
    let is_drained = drain(replaced);
    let library = old.into_library();
    library.close_objects();
    let shares = Arc::strong_count(&library) - 1;
    match Arc::into_inner(library) {
        Some(library) => library.close(threads),
        None if is_drained => Unloaded::Pinned { by: vec![format!("{shares} values that came from it")] },
        None => Unloaded::Pinned { by: vec!["calls that have not ended".to_owned()] },
    }
}

/// Waits for the calls in what was replaced, at first every 20 µs, later every millisecond: calls write nothing that
/// others read, so their end wakes nobody. Returns whether they ended in time; if not, the last of them cleans up.
fn drain(mut replaced: Vec<Retired<Live>>) -> bool {
    let deadline = Instant::now() + DRAIN_DEADLINE;
    let mut pause = Duration::from_micros(20);
    loop {
        replaced = replaced.into_iter().filter_map(|retired| retired.into_arc().err()).collect();
        if replaced.is_empty() || Instant::now() >= deadline {
            return replaced.is_empty();
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}

/// How long the plugin's own threads may take to end.
const THREADS_DEADLINE: Duration = Duration::from_secs(2);
const DRAIN_DEADLINE: Duration = Duration::from_secs(30);

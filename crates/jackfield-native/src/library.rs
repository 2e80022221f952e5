//! A library in this process.

use std::mem::ManuallyDrop;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jackfield_abi::{Attachment, Entry};
use jackfield_core::Unloaded;

use crate::host::LibraryHost;
use crate::os::{Handle, Memory, Watch};
use crate::{Image, NativeError};

/// A library in this process. Everything that comes from it holds a share of it; the last one closes it.
#[derive(Debug)]
pub(crate) struct Library {
    handle: ManuallyDrop<Handle>,
    rest: ManuallyDrop<Remains>,
    entry: *const Entry,
}

/// What must outlive a library for as long as anything of it is mapped.
#[derive(Debug)]
struct Remains {
    /// Who keeps it mapped. It is missing where the library was refused before it was watched.
    watch: Option<Watch>,
    /// What its threads may call until the end.
    attachment: Attachment,
    /// The loader would take a later library of the same path for this one, so its path stays reserved.
    memory: Memory,
}

impl Library {
    /// Maps a library for the plugin of this name, and finds its entry.
    ///
    /// # Safety
    ///
    /// The host vouches for the library's code.
    pub(crate) unsafe fn load(image: Image, plugin: &str) -> Result<Self, NativeError> {
        let (path, symbol) = (image.path.clone(), image.note().symbol.clone());
        let loader =
            |error: libloading::Error| NativeError::Loader { path: path.clone(), reason: error.to_string() };
        let Image { memory, tables, .. } = image;
        sweep();
        // SAFETY: the caller vouches for the code that runs here; the tables were checked.
        let handle = unsafe { memory.load() }.map_err(loader)?;
        let attachment = Attachment::new(LibraryHost::new(plugin));
        let rest = ManuallyDrop::new(Remains { watch: None, attachment, memory });
        let mut library = Self { handle: ManuallyDrop::new(handle), rest, entry: std::ptr::null() };
        // SAFETY: the type is a pointer, which is only compared and checked below.
        let found = unsafe { library.handle.get::<*const Entry>(symbol.as_str()) };
        let Ok(entry) = found.map(|entry| *entry) else { return Err(NativeError::NoEntry { path, symbol }) };
        let base =
            library.rest.memory.base_of(&library.handle).filter(|base| {
                tables.holds(entry.addr().wrapping_sub(base.addr()) as u64, size_of::<Entry>())
            });
        // SAFETY: it lies within the library, as far as it would be read, and is aligned.
        let is_entry = entry.is_aligned() && base.is_some() && unsafe { &*entry }.is_known();
        let (Some(base), true) = (base, is_entry) else { return Err(NativeError::Entry { path, symbol }) };
        // SAFETY: the library was just loaded there, and but for its constructors nothing of it has run.
        let watch = unsafe { Watch::new(base, &tables) };
        library.rest.watch = Some(watch.map_err(|source| NativeError::Watch { path, source })?);
        library.entry = entry;
        // SAFETY: the attachment is kept for as long as anything of the library is mapped.
        unsafe { library.entry().attach(&library.rest.attachment) };
        Ok(library)
    }

    /// The library's entry, for as long as this is alive.
    pub(crate) fn entry(&self) -> &Entry {
        // SAFETY: `load` checked it, and the library stays mapped while this is borrowed.
        unsafe { &*self.entry }
    }

    /// Closes the library, which nothing uses any more, and tells what became of it.
    pub(crate) fn close(self) -> Unloaded {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped.
        unsafe { this.close_once() }
    }

    /// # Safety
    /// It is called once, and nothing of the library is used afterwards.
    unsafe fn close_once(&mut self) -> Unloaded {
        if !self.entry.is_null() {
            self.entry().detach();
        }
        // SAFETY: the caller says that this is the one time.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        // SAFETY: as above.
        let rest = unsafe { ManuallyDrop::take(&mut self.rest) };
        if let Some(watch) = &rest.watch {
            watch.close();
        }
        let is_closed = handle.close().is_ok();
        sweep();
        if is_closed && !rest.is_mapped() {
            return Unloaded::Unmapped;
        }
        let by = rest.pinned_by();
        pinned().push(rest);
        Unloaded::Pinned { by }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: `close` never drops, so this is the one time.
        unsafe { self.close_once() };
    }
}

// SAFETY: the entry is a constant of the library, whose functions may be called on any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Remains {
    fn is_mapped(&self) -> bool {
        self.memory.is_mapped().unwrap_or(true)
    }

    fn pinned_by(&self) -> Vec<String> {
        let threads = self.watch.as_ref().map(|watch| watch.holders().threads()).unwrap_or_default();
        if threads.is_empty() {
            return vec!["the system's loader, for a reason that it does not tell".to_owned()];
        }
        threads
    }
}

/// How many libraries were unloaded and are still mapped. Each costs about 250 KiB.
pub fn pinned_libraries() -> usize {
    sweep();
    pinned().len()
}

/// Forgets the libraries that the loader has unmapped since: it does so at any later unload, once no thread holds
/// them any more.
fn sweep() {
    let (kept, gone): (Vec<_>, Vec<_>) =
        std::mem::take(&mut *pinned()).into_iter().partition(Remains::is_mapped);
    pinned().extend(kept);
    drop(gone);
}

fn pinned() -> MutexGuard<'static, Vec<Remains>> {
    PINNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is left of libraries that were closed but not unmapped. The loader's state belongs to the process, so this
/// does too.
static PINNED: Mutex<Vec<Remains>> = Mutex::new(Vec::new());

//! A library in this process.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jackfield_abi::{Attachment, Derived, Entry, Keeper};
use jackfield_core::Unloaded;

use crate::host::LibraryHost;
use crate::os::Watch;
use crate::remains::{Remains, sweep};
use crate::{Image, NativeError};

/// A library in this process. Everything that comes from it holds a share of it; the last one closes it.
#[derive(Debug)]
pub(crate) struct Library {
    rest: ManuallyDrop<Remains>,
    entry: *const Entry,
    objects: Objects,
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
        // SAFETY: the type is a pointer, which is only compared and checked below.
        let found = unsafe { handle.get::<*const Entry>(symbol.as_str()) }.map(|entry| *entry);
        let base = memory.base_of(&handle);
        let rest = Remains {
            handle: Some(handle),
            watch: None,
            attachment: None,
            is_permanent: tables.is_permanent,
            memory,
        };
        let rest = ManuallyDrop::new(rest);
        let mut library = Self { rest, entry: std::ptr::null(), objects: Objects::default() };
        let Ok(entry) = found else { return Err(NativeError::NoEntry { path, symbol }) };
        let base = base
            .filter(|base| tables.holds(entry.addr().wrapping_sub(base.addr()) as u64, size_of::<Entry>()));
        // SAFETY: it lies within the library, as far as it would be read, and is aligned.
        let is_entry = entry.is_aligned() && base.is_some() && unsafe { &*entry }.is_known();
        let (Some(base), true) = (base, is_entry) else { return Err(NativeError::Entry { path, symbol }) };
        // SAFETY: the library was just loaded there, and but for its constructors nothing of it has run.
        let watch = unsafe { Watch::new(base, &tables) };
        let watch = watch.map_err(|source| NativeError::Watch { path, source })?;
        let host = LibraryHost::new(plugin, watch.holders().clone());
        library.rest.watch = Some(watch);
        library.entry = entry;
        let attachment = library.rest.attachment.insert(Attachment::new(host));
        // SAFETY: it was checked above, and the library stays mapped while `library` is there.
        let entry = unsafe { &*entry };
        // SAFETY: the attachment is kept for as long as anything of the library is mapped.
        unsafe { entry.attach(attachment) };
        Ok(library)
    }

    /// The library's entry, for as long as this is alive.
    pub(crate) fn entry(&self) -> &Entry {
        // SAFETY: `load` checked it, and the library stays mapped while this is borrowed.
        unsafe { &*self.entry }
    }

    /// Closes what was made of objects that came from this library.
    pub(crate) fn close_objects(&self) {
        self.objects.close();
    }

    /// Closes the library, which nothing uses any more but threads of its own, and tells what became of it. Those have
    /// until `deadline`.
    pub(crate) fn close(self, deadline: Duration) -> Unloaded {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped.
        unsafe { this.close_once(deadline) }
    }

    /// # Safety
    /// It is called once, and nothing of the library is used afterwards.
    unsafe fn close_once(&mut self, deadline: Duration) -> Unloaded {
        if !self.entry.is_null() {
            self.entry().detach();
        }
        // SAFETY: the caller says that this is the one time.
        let rest = unsafe { ManuallyDrop::take(&mut self.rest) };
        // SAFETY: the caller says so.
        unsafe { rest.end(deadline) }
    }
}

impl Keeper for Library {
    fn watch(&self, object: Weak<dyn Derived>) {
        self.objects.add(object);
    }
}

/// What was made of objects that came from a library, until they were closed.
struct Objects(Mutex<Option<Vec<Weak<dyn Derived>>>>);

impl Default for Objects {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Objects {
    fn add(&self, object: Weak<dyn Derived>) {
        let mut state = self.lock();
        let Some(objects) = &mut *state else {
            // It comes from a call that was still running.
            drop(state);
            return object.upgrade().into_iter().for_each(|object| object.close());
        };
        // Most of them are gone soon. Whenever there is no room, those that are gone make some.
        if objects.len() == objects.capacity() {
            objects.retain(|object| object.strong_count() > 0);
            let live = objects.len();
            objects.reserve(live.max(4));
        }
        objects.push(object);
    }

    fn close(&self) {
        let objects = self.lock().take();
        objects.iter().flatten().filter_map(Weak::upgrade).for_each(|object| object.close());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Weak<dyn Derived>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.lock().as_ref().map(Vec::len)).finish()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: `close` never drops, so this is the one time.
        unsafe { self.close_once(Duration::ZERO) };
    }
}

// SAFETY: the entry is a constant of the library, whose functions may be called on any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

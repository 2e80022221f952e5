//! A library in this process.

use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use jackfield_abi::Entry;
use jackfield_core::Unloaded;
use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW};

use crate::thread_locals::{self, Watch};
use crate::{Image, NativeError, os};

/// A library in this process. Everything that comes from it holds a share of it; the last one closes it.
#[derive(Debug)]
pub(crate) struct Library {
    handle: ManuallyDrop<Handle>,
    memory: ManuallyDrop<OwnedFd>,
    name: String,
    entry: &'static Entry,
    watch: Watch,
}

impl Library {
    /// Maps a library and finds its entry.
    ///
    /// # Safety
    ///
    /// The host vouches for the library's code.
    pub(crate) unsafe fn load(image: Image) -> Result<Self, NativeError> {
        let loader = |error: libloading::Error| NativeError::Loader {
            path: image.path.clone(),
            reason: error.to_string(),
        };
        // SAFETY: the caller vouches for the code that runs here; the tables were checked.
        let handle = unsafe { Handle::open(Some(os::path_of(&image.memory)), RTLD_NOW | RTLD_LOCAL) }
            .map_err(loader)?;
        let symbol = image.note().symbol.clone();
        // SAFETY: the note names the entry, and `is_known` checks its first bytes below.
        let entry: *const Entry = *unsafe { handle.get::<*const Entry>(&symbol) }.map_err(loader)?;
        // SAFETY: it is aligned, and lives as long as the library.
        let entry: &'static Entry = unsafe { &*entry };
        if !entry.is_known() {
            return Err(NativeError::Entry { path: image.path.clone(), symbol });
        }
        let (base, len) = extent(entry, &image)?;
        // SAFETY: the library was just mapped there, and nothing of it has been called.
        let watch = unsafe { thread_locals::watch(base, len, &image.tables) }
            .map_err(|source| NativeError::Memory { path: image.path.clone(), source })?;
        entry.attach();
        let Image { memory, name, .. } = image;
        Ok(Self { handle: ManuallyDrop::new(handle), memory: ManuallyDrop::new(memory), name, entry, watch })
    }

    /// The library's entry, for as long as this is alive.
    pub(crate) fn entry(&self) -> &Entry {
        self.entry
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
        // SAFETY: the caller says that this is the one time.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        let closed = handle.close();
        let is_mapped = os::is_mapped(&self.name).unwrap_or(true) || closed.is_err();
        if is_mapped {
            PINNED.fetch_add(1, Ordering::Relaxed);
            // The descriptor stays open: the loader would take a later library of the same path for this one.
            return Unloaded::Pinned { by: self.pinned_by() };
        }
        self.watch.forget();
        // SAFETY: the caller says that this is the one time.
        drop(unsafe { ManuallyDrop::take(&mut self.memory) });
        Unloaded::Unmapped
    }

    fn pinned_by(&self) -> Vec<String> {
        let threads = self.watch.holders().threads();
        if threads.is_empty() {
            vec!["the system's loader, for a reason that it does not tell".to_owned()]
        } else {
            threads
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: `close` never drops, so this is the one time.
        unsafe { self.close_once() };
    }
}

/// How many libraries were unloaded and are still mapped, over the life of this process. Each costs about 250 KiB.
pub fn pinned_libraries() -> usize {
    PINNED.load(Ordering::Relaxed)
}

static PINNED: AtomicUsize = AtomicUsize::new(0);

/// Where the library is mapped.
fn extent(entry: &Entry, image: &Image) -> Result<(*mut u8, usize), NativeError> {
    let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the place is valid, and the address is only looked up.
    let status = unsafe { libc::dladdr(std::ptr::from_ref(entry).cast(), found.as_mut_ptr()) };
    // SAFETY: all its fields are pointers, for which zero is a value.
    let found = unsafe { found.assume_init() };
    if status == 0 || found.dli_fbase.is_null() {
        return Err(NativeError::Entry { path: image.path.clone(), symbol: image.note().symbol.clone() });
    }
    Ok((found.dli_fbase.cast(), image.tables.extent as usize))
}

//! The backend: what a host configures, and a loaded plugin.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jackfield_abi::{self as abi, Bound};
use jackfield_core::{
    BoxFuture, CallError, Candidate, Description, Instance, Lane, Load, LoadError, LoadErrorKind, Unloaded,
};

use crate::library::{Library, pinned_libraries};
use crate::{Image, NativeError};

/// Loads shared libraries into this process.
#[derive(Clone, Debug)]
pub struct NativeBackend {
    max_pinned: usize,
    lane: abi::Lane,
}

impl NativeBackend {
    /// A backend that runs whatever it is asked to load.
    ///
    /// # Safety
    ///
    /// A library's code runs in this process with all its rights: it can corrupt memory, abort, exit, overflow the
    /// stack, exhaust memory or never return, and nothing here can prevent it. The host vouches that it loads only
    /// libraries that it trusts not to. Panics are caught, save in the destructor of a thread-local, which std itself
    /// turns into an abort; for everything else there is the `process` kind, from the same source.
    ///
    /// # Platform-specific behaviour
    ///
    /// On Linux a library is loaded from sealed memory, so neither `$ORIGIN` in its dependencies nor a debugger's
    /// search by path finds its file. A statically linked musl host cannot load libraries at all.
    ///
    /// macOS and Windows have no sealed memory: a library is loaded from a copy in a directory of its own below the
    /// one for temporary files, which only the user's own programs can change. macOS never unmaps a library that has
    /// thread-locals, as every plugin in Rust has: it is reported as pinned. On Windows the copy is removed after the
    /// unload, and stays where the host is killed. The code for these two is compiled in CI, but it has not been run.
    pub unsafe fn new() -> Self {
        Self { max_pinned: 256, lane: abi::Lane::Direct }
    }

    /// How many libraries may stay mapped after they were unloaded (by default 256, about 64 MiB) before nothing
    /// more is loaded.
    #[must_use]
    pub fn max_pinned(mut self, libraries: usize) -> Self {
        self.max_pinned = libraries;
        self
    }

    /// Encodes every call, as if no type of the plugin had the host's layout. For tests of the encoded lane.
    #[doc(hidden)]
    #[must_use]
    pub fn encoded(mut self) -> Self {
        self.lane = abi::Lane::Encoded;
        self
    }

    /// The shared library at this path.
    pub fn library(&self, path: impl Into<PathBuf>) -> NativePlugin {
        NativePlugin { backend: self.clone(), path: path.into() }
    }
}

/// A shared library that can be loaded, as often as one likes: each load takes what the file holds then.
#[derive(Clone, Debug)]
pub struct NativePlugin {
    backend: NativeBackend,
    path: PathBuf,
}

impl NativePlugin {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what the file is, without running any of its code.
    ///
    /// # Errors
    ///
    /// The file cannot be loaded by this host.
    pub fn inspect(&self) -> Result<Image, NativeError> {
        Image::read(&self.path)
    }

    fn load_now(&self, load: &Load) -> Result<Box<dyn Instance>, LoadErrorKind> {
        let native = |error: NativeError| LoadErrorKind::backend("native", error);
        let pinned = pinned_libraries();
        if pinned >= self.backend.max_pinned {
            return Err(native(NativeError::Pinned { pinned }));
        }
        let image = self.inspect().map_err(native)?;
        check_interface(&image, load.interface)?;
        // SAFETY: `NativeBackend::new` made the host vouch for it.
        let library = Arc::new(unsafe { Library::load(image, load.context.plugin()) }.map_err(native)?);
        let bound = load.bind(library.entry().exports(), Some(library.clone()), self.backend.lane)?;
        Ok(Box::new(NativeInstance { bound, library }))
    }
}

impl Candidate for NativePlugin {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(std::future::ready(self.load_now(load).map_err(|kind| load.error(kind))))
    }
}

fn check_interface(image: &Image, interface: Description) -> Result<(), LoadErrorKind> {
    let (schema, interfaces) = (interface.schema(), &image.note().interfaces);
    let found = interfaces.iter().find(|found| found.service == schema.service);
    let Some(found) = found else {
        let found = interfaces.iter().map(|found| found.service.clone()).collect();
        return Err(LoadErrorKind::Interface { expected: schema.service, found });
    };
    Ok(schema.check(found)?)
}

/// A plugin in a library of this process.
struct NativeInstance {
    // In this order: the object ends in the library's code.
    bound: Bound,
    library: Arc<Library>,
}

impl Instance for NativeInstance {
    fn lane(&self) -> Lane {
        Lane::Bound(self.bound.clone())
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        Box::pin(std::future::pending())
    }

    fn unload(self: Box<Self>, _: Duration) -> BoxFuture<'static, Unloaded> {
        let Self { bound, library } = *self;
        drop(bound);
        let values = Arc::strong_count(&library) - 1;
        let unloaded = match Arc::into_inner(library) {
            Some(library) => library.close(),
            // The last of them closes it; until then it has to stay.
            None => Unloaded::Pinned { by: vec![format!("{values} values that came from it")] },
        };
        Box::pin(std::future::ready(unloaded))
    }
}

impl fmt::Debug for NativeInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeInstance").field("library", &self.library).finish_non_exhaustive()
    }
}

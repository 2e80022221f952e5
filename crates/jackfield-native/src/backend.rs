//! The backend: what a host configures, and a loaded plugin.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jackfield_abi::{self as abi, Bound};
use jackfield_core::note::Note;
use jackfield_core::schema::Descriptor;
use jackfield_core::{
    BoxFuture, CallError, Candidate, Instance, Lane, Load, LoadError, LoadErrorKind, Step, Unloaded,
};

use crate::progress::Progress;
use crate::remains::{pinned_libraries, sweep};
use crate::symbols::{Catalog, Event, Func, LookupError, OpenError, Plugin, Signature, Symbol};
use crate::task::Task;
use crate::{Image, NativeError};

/// Loads shared libraries into this process.
#[derive(Clone, Debug)]
pub struct NativeBackend {
    max_pinned: usize,
    lane: abi::Lane,
    catalog: Arc<Catalog>,
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
    /// A library's constructors (`.init_array`, which C and C++ use) run inside the system's loader, before anything of
    /// Jackfield's can catch what they do, and the loader trusts the relocations of a file that was made to deceive it.
    ///
    /// On Linux a library is loaded from sealed memory, so neither `$ORIGIN` in its dependencies nor a debugger's
    /// search by path finds its file. A statically linked musl host cannot load libraries at all.
    ///
    /// macOS and Windows have no sealed memory: a library is loaded from a copy in a directory of its own below the
    /// one for temporary files, which only the user's own programs can change. macOS never unmaps a library that has
    /// thread-locals, as every plugin in Rust has: it is reported as pinned. On Windows the copy is removed after the
    /// unload, and stays where the host is killed. The code for these two is compiled in CI, but it has not been run.
    pub unsafe fn new() -> Self {
        // Before a load starts the first thread: with one thread it takes microseconds, with more it takes milliseconds.
        abi::hot::prepare();
        Self { max_pinned: 256, lane: abi::Lane::Direct, catalog: Arc::new(Catalog::new()) }
    }

    /// How many libraries may stay mapped after they were unloaded (by default 256, about 90 MiB) before nothing
    /// more is loaded.
    #[must_use]
    pub fn max_pinned(mut self, libraries: usize) -> Self {
        self.max_pinned = libraries;
        self
    }

    /// How long a library may take to be loaded, its `init` and its constructor included (by default 30 s). One that
    /// takes longer cannot be stopped: it counts among those that are pinned. Clones of a backend share it.
    #[must_use]
    pub fn load_deadline(self, deadline: Duration) -> Self {
        self.catalog.set_load_deadline(deadline);
        self
    }

    /// Encodes every call, as if no type of the plugin had the host's layout. For tests of the encoded lane.
    #[doc(hidden)]
    #[must_use]
    pub fn encoded(mut self) -> Self {
        self.lane = abi::Lane::Encoded;
        self
    }

    /// Opens the shared library at this path for its [`symbols`](crate::symbols), and runs its `init`.
    ///
    /// A library is open once: another path that leads to the same file gives the same plugin. If the file has changed
    /// since, the plugin is [reloaded](Plugin::reload). Clones of a backend share what is open.
    ///
    /// # Errors
    ///
    /// The file cannot be loaded, its `init` refused, or the same plugin is open under another path. A failure is
    /// remembered until the file changes.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Plugin, OpenError> {
        self.check_pinned().map_err(|error| OpenError::Load(Arc::new(error)))?;
        self.catalog.open(path.as_ref())
    }

    fn check_pinned(&self) -> Result<(), NativeError> {
        let pinned = pinned_libraries();
        if pinned >= self.max_pinned { Err(NativeError::Pinned { pinned }) } else { Ok(()) }
    }

    /// The open plugin of this name. Of several versions it is the highest, or the one that was
    /// [chosen](Self::choose); once that is unloaded, the highest that is left.
    ///
    /// # Errors
    ///
    /// None is open.
    pub fn named(&self, name: &str) -> Result<Plugin, LookupError> {
        self.catalog.named(name)
    }

    /// The open plugin of this name and version.
    ///
    /// # Errors
    ///
    /// None is open.
    pub fn version(&self, name: &str, version: &str) -> Result<Plugin, LookupError> {
        self.catalog.version(name, version)
    }

    /// Chooses the version that [`named`](Self::named) finds, or with `None` the highest again.
    pub fn choose(&self, name: &str, version: Option<&str>) {
        self.catalog.choose(name, version);
    }

    /// The function that an open plugin has registered under this name in its `init`.
    ///
    /// # Errors
    ///
    /// None has.
    pub fn registered(&self, name: &str) -> Result<Symbol, LookupError> {
        self.catalog.registered(name)
    }

    /// Offers a function to the `init` of every library that is opened from now on.
    #[must_use]
    pub fn offer<S: Signature>(self, name: &str, function: Func<S>) -> Self {
        self.catalog.offer(name, function.into());
        self
    }

    /// Tells `observer` what happens to libraries from now on.
    #[must_use]
    pub fn observe(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.catalog.observe(observer);
        self
    }

    /// The shared library at this path.
    pub fn library(&self, path: impl Into<PathBuf>) -> NativePlugin {
        NativePlugin { backend: self.clone(), path: path.into(), allowed: None }
    }
}

/// A shared library that can be loaded, as often as one likes: each load takes what the file holds then.
#[derive(Clone, Debug)]
pub struct NativePlugin {
    backend: NativeBackend,
    path: PathBuf,
    /// The digests that it may have, if not any.
    allowed: Option<Arc<[[u8; 32]]>>,
}

impl NativePlugin {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Loads the library only if the bytes that would run have one of these SHA-256 digests.
    ///
    /// ```no_run
    /// # fn example(native: jackfield_native::NativeBackend, digest: [u8; 32]) {
    /// let plugin = native.library("plugins/libkv.so").digests([digest]);
    /// # }
    /// ```
    #[must_use]
    pub fn digests(mut self, digests: impl IntoIterator<Item = [u8; 32]>) -> Self {
        self.allowed = Some(digests.into_iter().collect());
        self
    }

    /// Reads what the file is, without running any of its code.
    ///
    /// # Errors
    ///
    /// The file cannot be loaded by this host.
    pub fn inspect(&self) -> Result<Image, NativeError> {
        Image::read(&self.path)
    }

    async fn load_in_time(&self, load: &Load) -> Result<Box<dyn Instance>, LoadErrorKind> {
        self.backend.check_pinned().map_err(native)?;
        let deadline = self.backend.catalog.load_deadline();
        let progress = Progress::new();
        // A thread takes about as long to begin as the file takes to be copied.
        let (hand_over, image) = mpsc::sync_channel(1);
        let task = Task::spawn(load.context.plugin(), deadline, {
            let (plugin, load, progress) = (self.clone(), load.clone(), progress.clone());
            // If there is no image, nobody waits for what becomes of it.
            move || image.recv().ok().map(|image| plugin.load_now(image, &load, &progress))
        });
        let task = task.map_err(|source| native(NativeError::Thread { source }))?;
        // Here, where none of the library's code runs: a thread that comes and goes leaves its share of the heap behind.
        let image = match self.inspect_for(load) {
            Ok(image) => image,
            Err(error) => {
                drop(hand_over);
                // Before another thread begins: see `Task`.
                let _nothing = task.await;
                return Err(error);
            }
        };
        let digest = image.lazy_digest().clone();
        let _begins_to_load = hand_over.send(image);
        let task = task.within(deadline);
        // Beside the loader, which takes about as long.
        digest.get();
        match task.await.flatten() {
            Some(Ok(instance)) => Ok(Box::new(instance) as Box<dyn Instance>),
            Some(Err(error)) => {
                // If it was refused while its digest was taken, that still had it mapped.
                sweep();
                Err(error)
            }
            None => {
                let (path, step) = (self.path.clone(), progress.step());
                Err(native(NativeError::Deadline { path, step, deadline }))
            }
        }
    }

    fn inspect_for(&self, load: &Load) -> Result<Image, LoadErrorKind> {
        let image = self.inspect().map_err(native)?;
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(image.digest().as_bytes())) {
            return Err(native(NativeError::Digest { path: self.path.clone(), found: image.digest() }));
        }
        load.interface.check(&image.note().interfaces)?;
        Ok(image)
    }

    fn load_now(
        &self,
        image: Image,
        load: &Load,
        progress: &Progress,
    ) -> Result<NativeInstance, LoadErrorKind> {
        let plugin = self.backend.catalog.load_for(image, &load.context, progress).map_err(open_error)?;
        let lane = self.backend.lane;
        let mut instance = NativeInstance { bound: None, plugin, lane };
        progress.begin(Step::Construct);
        if !load.interface.is_any() {
            instance.bound = Some(instance.bind(load, lane)?);
        }
        Ok(instance)
    }
}

impl Candidate for NativePlugin {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async { self.load_in_time(load).await.map_err(|kind| load.error(kind)) })
    }
}

fn native(error: NativeError) -> LoadErrorKind {
    LoadErrorKind::backend("native", error.step(), error)
}

fn open_error(error: OpenError) -> LoadErrorKind {
    let step = error.step();
    match error {
        OpenError::Load(error) => match Arc::try_unwrap(error) {
            Ok(error) => native(error),
            Err(error) => LoadErrorKind::backend("native", step, OpenError::Load(error)),
        },
        error => LoadErrorKind::backend("native", step, error),
    }
}

/// A plugin in a library of this process.
struct NativeInstance {
    bound: Option<Bound>,
    plugin: Plugin,
    lane: abi::Lane,
}

impl NativeInstance {
    fn bind(&self, load: &Load, lane: abi::Lane) -> Result<Bound, LoadErrorKind> {
        let library = self.plugin.library();
        let exports = library.as_ref().map(|library| library.entry().exports()).unwrap_or_default();
        load.bind(exports, library.clone().map(|library| library as _), lane)
    }

    /// Constructs an object for another interface, after the library's note was asked whether it serves it.
    fn bind_other(&self, load: &Load) -> Result<Bound, LoadErrorKind> {
        load.interface.check(&self.served())?;
        self.bind(load, self.lane)
    }

    /// What the library's note says that it serves.
    fn served(&self) -> Vec<Descriptor> {
        let library = self.plugin.library();
        let note = library.as_ref().map(|library| Note::parse(library.entry().note()));
        note.and_then(Result::ok).unwrap_or_default().interfaces
    }

    /// Lets the objects that came from the library answer with an error from now on.
    fn close_objects(&self) {
        if let Some(library) = self.plugin.library() {
            library.close_objects();
        }
    }
}

impl Instance for NativeInstance {
    fn lane(&self) -> Lane {
        match &self.bound {
            Some(bound) => Lane::Bound(bound.clone()),
            None if self.plugin.library().is_some() => Lane::of_none(),
            None => {
                Lane::Closed(CallError::Closed { reason: format!("`{}` was unloaded", self.plugin.name()) })
            }
        }
    }

    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        Box::pin(std::future::ready(Ok(self.served())))
    }

    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        Box::pin(std::future::ready(self.bind_other(load).map(Lane::Bound)))
    }

    fn closed(&self) -> BoxFuture<'static, CallError> {
        Box::pin(std::future::pending())
    }

    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded> {
        // The object's destructor has as long as the threads that outlive it, and a little for the rest.
        let all = 2 * deadline + Duration::from_secs(1);
        Box::pin(self.end(deadline, all))
    }
}

impl NativeInstance {
    /// Ends the object, then the library: on two threads, since what the first leaves on its thread pins the library until
    /// that has ended.
    async fn end(mut self: Box<Self>, threads: Duration, all: Duration) -> Unloaded {
        let name = self.plugin.name();
        let dropped = Task::spawn(&name, all, move || {
            // The objects end in the library's code.
            drop(self.bound.take());
            self.close_objects();
            self
        });
        let Ok(dropped) = dropped else { return pinned_by("the system, which starts no more threads") };
        let Some(this) = dropped.await else { return pinned_by(NOT_RETURNED) };
        let plugin = this.plugin.clone();
        let ended = Task::spawn(&name, all, move || plugin.unload_within(threads));
        let Ok(ended) = ended else { return pinned_by("the system, which starts no more threads") };
        match ended.await {
            Some(unloaded) => unloaded.unwrap_or(Unloaded::Unmapped),
            None => pinned_by(NOT_RETURNED),
        }
    }
}

fn pinned_by(what: &str) -> Unloaded {
    Unloaded::Pinned { by: vec![what.to_owned()] }
}

const NOT_RETURNED: &str = "its own code, which has not returned";

/// What was loaded for nothing, or was dropped, is unloaded.
impl Drop for NativeInstance {
    fn drop(&mut self) {
        drop(self.bound.take());
        self.close_objects();
        let _ = self.plugin.unload();
    }
}

impl fmt::Debug for NativeInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeInstance").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

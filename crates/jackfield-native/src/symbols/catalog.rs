//! What a backend has open: by path, by identity and by name.

use std::collections::HashMap;
use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use jackfield_abi::Context;
use jackfield_abi::symbols::Offered;

use super::error::{LookupError, OpenError};
use super::generation::{Generation, Identity, Opening};
use super::plugin::Plugin;
use super::symbol::Symbol;
use super::version;
use crate::NativeError;
use crate::image::{Digest, Image};
use crate::progress::Progress;
use crate::task::Task;

/// What a backend has open. Its clones share it.
pub(crate) struct Catalog {
    places: Mutex<HashMap<PathBuf, Arc<Place>>>,
    claims: Arc<Mutex<Vec<Claimed>>>,
    live: Mutex<Vec<Plugin>>,
    /// The versions that were chosen, by name.
    chosen: Mutex<HashMap<String, String>>,
    offered: Mutex<HashMap<String, Offered>>,
    observers: Mutex<Vec<Observer>>,
    load_deadline: Mutex<Duration>,
}

type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// What happened to a library.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It is in this process. None of its own code has run.
    Opened {
        /// The file.
        path: PathBuf,
    },
    /// Its `init` has run.
    Inited {
        /// The file.
        path: PathBuf,
    },
    /// Its symbols can be looked up.
    Ready {
        /// The file.
        path: PathBuf,
    },
    /// Another generation of it has replaced this one.
    Reloaded {
        /// The file.
        path: PathBuf,
    },
    /// It is loaded by a manager and has the identity of another that is, but other content: one of the two was not built with
    /// an identity of its own. Each runs what it holds. ([Opening](crate::NativeBackend::open) such a file is refused.)
    Identity {
        /// The file.
        path: PathBuf,
        /// The identity.
        id: String,
        /// The other file.
        other: PathBuf,
    },
    /// It was unloaded.
    Unloaded {
        /// The file.
        path: PathBuf,
    },
}

/// What is known of one path. The lock is held for a whole open, reload or unload.
#[derive(Debug, Default)]
struct Place {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<(Plugin, Stamp)>,
    failure: Option<(Stamp, Arc<OpenError>)>,
}

impl Catalog {
    pub(crate) fn new() -> Self {
        Self {
            places: Mutex::default(),
            claims: Arc::default(),
            live: Mutex::default(),
            chosen: Mutex::default(),
            offered: Mutex::default(),
            observers: Mutex::default(),
            load_deadline: Mutex::new(Duration::from_secs(30)),
        }
    }

    pub(crate) fn load_deadline(&self) -> Duration {
        *lock(&self.load_deadline)
    }

    pub(crate) fn set_load_deadline(&self, deadline: Duration) {
        *lock(&self.load_deadline) = deadline;
    }

    /// The plugin at a path: the one that is open, renewed if the file has changed, or a new one.
    pub(crate) fn open(self: &Arc<Self>, path: &Path) -> Result<Plugin, OpenError> {
        let unreachable = |source| OpenError::Path { path: path.to_owned(), source: Arc::new(source) };
        let real = path.canonicalize().map_err(unreachable)?;
        if Opening::is_inside(&real) {
            return Err(OpenError::Busy { path: real });
        }
        let stamp = Stamp::of(&real.metadata().map_err(unreachable)?);
        let place = self.place(&real);
        let mut state = lock(&place.state);
        if let Some((plugin, _)) = state.open.as_ref().filter(|(_, known)| *known == stamp) {
            return Ok(plugin.clone());
        }
        if let Some((_, source)) = state.failure.as_ref().filter(|(known, _)| *known == stamp) {
            return Err(OpenError::Previous { source: source.clone() });
        }
        match self.renew(&real, &mut state) {
            Ok(plugin) => {
                *state = State { open: Some((plugin.clone(), stamp)), failure: None };
                Ok(plugin)
            }
            Err(error) => {
                state.failure = error.is_lasting().then(|| (stamp, Arc::new(error.clone())));
                Err(error)
            }
        }
    }

    fn renew(self: &Arc<Self>, real: &Path, state: &mut State) -> Result<Plugin, OpenError> {
        let new = self.load(real)?;
        if let Some((plugin, _)) = &state.open {
            plugin.replace(new)?;
            self.tell(&Event::Reloaded { path: real.to_owned() });
            return Ok(plugin.clone());
        }
        Ok(self.add(new))
    }

    /// Loads a library for a manager: under a name of its own, as often as it likes.
    pub(crate) fn load_for(
        self: &Arc<Self>,
        image: Image,
        context: &Context,
        progress: &Progress,
    ) -> Result<Plugin, OpenError> {
        let first = Generation::load(self, image, context, progress)?;
        if let Some((id, other)) = self.namesake(&first) {
            self.tell(&Event::Identity { path: first.path.clone(), id, other });
        }
        Ok(self.add(first))
    }

    /// The identity of a new library, and where other content comes from that has it too. That of the same file is what an
    /// update replaces, and whoever was built without an identity has one that is of its content.
    fn namesake(&self, new: &Generation) -> Option<(String, PathBuf)> {
        let id = new.identity.own_id.clone()?;
        let has_it = |plugin: &&Plugin| plugin.path() != new.path && plugin.has_own_id(&id);
        let others: Vec<Plugin> = lock(&self.live).iter().filter(has_it).cloned().collect();
        // Outside the lock: a digest takes its time.
        let other = others.iter().find(|plugin| plugin.digest() != new.identity.digest.get())?;
        Some((id, other.path().to_owned()))
    }

    fn add(self: &Arc<Self>, first: Generation) -> Plugin {
        let plugin = Plugin::new(first, self);
        lock(&self.live).push(plugin.clone());
        self.tell(&Event::Ready { path: plugin.path().to_owned() });
        plugin
    }

    /// Loads what a file holds now, on a thread of its own.
    fn load(self: &Arc<Self>, real: &Path) -> Result<Generation, OpenError> {
        let image = Image::read(real).map_err(|error| OpenError::Load(Arc::new(error)))?;
        let identity = Identity::of(&image);
        let claim = self.claim(real, &identity)?;
        let context = Context::new(identity.name.clone(), []);
        let (progress, deadline) = (Progress::new(), self.load_deadline());
        let task = Task::spawn(&identity.name, deadline, {
            let (catalog, progress, opening) = (self.clone(), progress.clone(), Opening::outer());
            move || opening.resume(|| Generation::load(&catalog, image, &context, &progress))
        });
        let failed = |error| OpenError::Load(Arc::new(error));
        let late = || NativeError::Deadline { path: real.to_owned(), step: progress.step(), deadline };
        let task = task.map_err(|source| failed(NativeError::Thread { source }))?;
        let generation = task.wait().ok_or_else(|| failed(late()))??;
        Ok(generation.with_claim(claim))
    }

    /// Reads the file of an open plugin again, and replaces the plugin even if the file has not changed.
    pub(super) fn reload(self: &Arc<Self>, plugin: &Plugin) -> Result<(), OpenError> {
        let place = self.place(plugin.path());
        let mut state = lock(&place.state);
        if !state.open.as_ref().is_some_and(|(open, _)| open.is_same(plugin)) {
            return Err(OpenError::Unloaded { plugin: plugin.name() });
        }
        let unreachable =
            |source| OpenError::Path { path: plugin.path().to_owned(), source: Arc::new(source) };
        let stamp = Stamp::of(&plugin.path().metadata().map_err(unreachable)?);
        self.renew(plugin.path(), &mut state)?;
        *state = State { open: Some((plugin.clone(), stamp)), failure: None };
        Ok(())
    }

    /// Ends a plugin by `end`, while nobody opens or reloads it, and forgets it.
    pub(super) fn end<V>(&self, plugin: &Plugin, end: impl FnOnce() -> V) -> V {
        let place = self.place(plugin.path());
        let mut state = lock(&place.state);
        if state.open.as_ref().is_some_and(|(open, _)| open.is_same(plugin)) {
            *state = State::default();
        }
        lock(&self.live).retain(|other| !other.is_same(plugin));
        let ended = end();
        self.tell(&Event::Unloaded { path: plugin.path().to_owned() });
        ended
    }

    /// Offers a function to every `init` from now on.
    pub(crate) fn offer(&self, name: &str, function: Offered) {
        lock(&self.offered).insert(name.to_owned(), function);
    }

    /// The function that the host offers under this name, if it is of this type.
    pub(super) fn offered(&self, name: &str, ty: &str) -> Result<Offered, String> {
        let offered = lock(&self.offered);
        match offered.get(name) {
            Some(function) if function.ty() == ty => Ok(function.clone()),
            Some(function) => {
                Err(format!("the host's `{name}` is a function `{}`, not `{ty}`", function.ty()))
            }
            None => Err(format!("the host offers no function `{name}`")),
        }
    }

    /// The plugin of another name that has registered a function of this name.
    pub(super) fn registrant(&self, function: &str, plugin: &str) -> Option<String> {
        let live = lock(&self.live);
        let mut others = live.iter().filter(|other| other.has_registered(function)).map(Plugin::name);
        others.find(|other| other != plugin)
    }

    /// The plugin of this name: of the version that was chosen, or else of the highest.
    pub(crate) fn named(&self, name: &str) -> Result<Plugin, LookupError> {
        let chosen = lock(&self.chosen).get(name).cloned();
        let best = |version: &str| chosen.as_ref().is_none_or(|chosen| chosen == version);
        self.highest(|plugin| plugin.name() == name && best(&plugin.version()))
            .ok_or_else(|| self.no_plugin(name))
    }

    /// The plugin of this name and version.
    pub(crate) fn version(&self, name: &str, version: &str) -> Result<Plugin, LookupError> {
        self.highest(|plugin| plugin.name() == name && plugin.version() == version)
            .ok_or_else(|| self.no_plugin(&format!("{name} {version}")))
    }

    /// Chooses a version of a plugin, or with `None` the highest again.
    pub(crate) fn choose(&self, name: &str, version: Option<&str>) {
        let mut chosen = lock(&self.chosen);
        match version {
            Some(version) => chosen.insert(name.to_owned(), version.to_owned()),
            None => chosen.remove(name),
        };
    }

    /// The function that a plugin registered under this name, of the highest version.
    pub(crate) fn registered(&self, name: &str) -> Result<Symbol, LookupError> {
        match self.highest(|plugin| plugin.has_registered(name)) {
            Some(plugin) => plugin.lookup(name),
            None => Err(LookupError::NotRegistered { symbol: name.to_owned() }),
        }
    }

    /// The plugin of the highest version that is what is wanted, and of several the one that was opened last.
    fn highest(&self, is_wanted: impl Fn(&Plugin) -> bool) -> Option<Plugin> {
        let live = lock(&self.live);
        let wanted = live.iter().filter(|plugin| is_wanted(plugin));
        wanted.max_by(|one, other| version::compare(&one.version(), &other.version())).cloned()
    }

    #[cold]
    fn no_plugin(&self, plugin: &str) -> LookupError {
        let live = lock(&self.live);
        let open = live.iter().map(|plugin| format!("{} {}", plugin.name(), plugin.version())).collect();
        LookupError::NoPlugin { plugin: plugin.to_owned(), open }
    }

    /// Adds somebody who is told what happens.
    pub(crate) fn observe(&self, observer: impl Fn(&Event) + Send + Sync + 'static) {
        lock(&self.observers).push(Arc::new(observer));
    }

    pub(super) fn tell(&self, event: &Event) {
        // Outside the lock: an observer may add another.
        let observers = lock(&self.observers).clone();
        observers.iter().for_each(|observer| observer(event));
    }

    fn place(&self, real: &Path) -> Arc<Place> {
        lock(&self.places).entry(real.to_owned()).or_default().clone()
    }

    fn claim(&self, path: &Path, identity: &Identity) -> Result<Claim, OpenError> {
        let (id, digest) = (identity.id(), identity.digest.get());
        let mut claims = lock(&self.claims);
        let other =
            claims.iter().find(|claim| claim.path != path && (claim.digest == digest || claim.id == id));
        if let Some(Claimed { path: other, digest: found, .. }) = other {
            let (path, other) = (path.to_owned(), other.clone());
            return Err(if *found == digest {
                OpenError::AlreadyOpen { path, other }
            } else {
                OpenError::Identity { path, id, other }
            });
        }
        claims.push(Claimed { path: path.to_owned(), id, digest });
        Ok(Claim { claims: self.claims.clone(), path: path.to_owned(), digest })
    }
}

/// An identity that is live.
#[derive(Debug)]
struct Claimed {
    path: PathBuf,
    id: String,
    digest: Digest,
}

/// The right to an identity, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Mutex<Vec<Claimed>>>,
    path: PathBuf,
    digest: Digest,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = lock(&self.claims);
        let own = claims.iter().position(|claim| claim.path == self.path && claim.digest == self.digest);
        if let Some(own) = own {
            claims.swap_remove(own);
        }
    }
}

/// What tells that a file has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    id: [u64; 2],
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok(), id: file_id(metadata) }
    }
}

/// Another file that was renamed to the same path is another file, whatever its time and length.
#[cfg(unix)]
fn file_id(metadata: &Metadata) -> [u64; 2] {
    use std::os::unix::fs::MetadataExt as _;
    [metadata.dev(), metadata.ino()]
}

#[cfg(not(unix))]
fn file_id(_: &Metadata) -> [u64; 2] {
    [0; 2]
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("live", &self.live).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! A directory as a source of plugins: what the host makes of its files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jackfield_core::Candidate;
use jackfield_core::schema::Descriptor;

use super::changes::Changes;
use super::file::{File, Kind};
use super::manifest::Manifest;
use crate::restart::Restart;

/// A directory whose files are plugins, for [`Manager::watch`](crate::Manager::watch).
///
/// ```no_run
/// # use std::time::Duration;
/// use jackfield::Directory;
/// use jackfield::native::NativeBackend;
/// use jackfield::process::{Handshake, ProcessBackend, ProcessPlugin};
///
/// # fn example() -> Result<Directory, Box<dyn std::error::Error>> {
/// # #[expect(unsafe_code, reason = "as a host does")]
/// // SAFETY: this host trusts the libraries in its directory.
/// let native = unsafe { NativeBackend::new() };
/// let processes = ProcessBackend::start()?;
/// let directory = Directory::new("plugins")
///     .libraries(move |path| native.library(path))
///     .programs(move |path| {
///         ProcessPlugin::new(path).handshake(Handshake::new(1, "KV_PLUGIN", "hello")).backend(&processes)
///     })
///     .settle(Duration::from_millis(500));
/// # Ok(directory)
/// # }
/// ```
///
/// A shared library (`libNAME.so`, `NAME.so`), an executable file (`NAME`, `NAME.py`), and what a manifest
/// (`NAME.plugin.toml`) describes are the plugin `NAME`; of several, the manifest is, then the library. Hidden files,
/// files that end in `.d`, those that a manifest names, directories, and names that are no UTF-8 are left out. Every
/// other file is reported as [`Failed`](crate::State::Failed), with what was expected.
///
/// A file that is called `NAME@1.2` or `NAME_v1.2` with whatever its kind adds (`libNAME@1.2.so`) is a version of `NAME`,
/// and the plugin `NAME@1.2`. All versions are loaded, and the highest serves as `NAME`; see
/// [`Manager::choose`](crate::Manager::choose).
///
/// A file is taken once it has been the same (its size, its time, which file it is, who may execute and change it) in two
/// looks that lie apart by the time to [`settle`](Self::settle). Who writes more slowly than that should write beside
/// the directory, or under a hidden name, and rename.
#[derive(Clone)]
#[must_use = "a directory does nothing before it is watched"]
pub struct Directory {
    path: PathBuf,
    /// Those whose plugins give way to the ones before.
    others: Vec<PathBuf>,
    libraries: Option<Offer>,
    programs: Option<Offer>,
    manifests: Option<Manifests>,
    interfaces: Option<Interfaces>,
    pub(crate) settle: Duration,
    pub(crate) poll: Duration,
    pub(crate) looking: Looking,
    ownership: Ownership,
    pub(crate) taking: Taking,
    pub(crate) restart: Restart,
}

impl Directory {
    /// This directory, of which nothing is loaded before it is said how: see [`libraries`](Self::libraries) and
    /// [`programs`](Self::programs).
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            others: Vec::new(),
            libraries: None,
            programs: None,
            manifests: None,
            interfaces: None,
            settle: Duration::from_millis(200),
            poll: Duration::from_millis(500),
            looking: Looking::WhenTold,
            ownership: Ownership::Anybody,
            taking: Taking::OneByOne,
            restart: Restart::default(),
        }
    }

    /// Looks into this directory too, whose plugins give way to those of the same name in the ones before: first the
    /// user's own, then the system's.
    ///
    /// ```
    /// # use jackfield::Directory;
    /// let directory = Directory::new("plugins").and("/usr/lib/my-host/plugins");
    /// ```
    pub fn and(mut self, path: impl Into<PathBuf>) -> Self {
        self.others.push(path.into());
        self
    }

    /// Loads shared libraries as what `offer` makes of their paths: usually
    /// [`NativeBackend::library`](crate::native::NativeBackend::library), for which the host has vouched.
    pub fn libraries<C: Candidate + 'static>(
        mut self,
        offer: impl Fn(&Path) -> C + Send + Sync + 'static,
    ) -> Self {
        self.libraries = Some(Offer::new(offer));
        self
    }

    /// Loads executable files as what `offer` makes of their paths: usually a
    /// [`ProcessPlugin`](crate::process::ProcessPlugin) with its handshake.
    pub fn programs<C: Candidate + 'static>(
        mut self,
        offer: impl Fn(&Path) -> C + Send + Sync + 'static,
    ) -> Self {
        self.programs = Some(Offer::new(offer));
        self
    }

    /// Reads by `read` the files that manifests name to say what their plugins serve (`interface`): descriptor sets, or
    /// whatever else the host understands. It is for a host that knows nothing of their interfaces, which
    /// [watches](crate::Manager::watch_dynamic) for whatever comes; one that has the trait needs none.
    ///
    /// A description that changes replaces its plugin, which is another one then if it is another interface.
    pub fn interfaces(
        mut self,
        read: impl Fn(&Path) -> Result<Vec<Descriptor>, String> + Send + Sync + 'static,
    ) -> Self {
        self.interfaces = Some(Interfaces(Arc::new(read)));
        self
    }

    /// Loads what manifests describe as what `offer` makes of them.
    #[cfg_attr(not(feature = "process"), expect(dead_code, reason = "manifests describe programs"))]
    pub(crate) fn offer_manifests(
        mut self,
        offer: impl Fn(&Manifest, &str) -> Result<Box<dyn Candidate>, String> + Send + Sync + 'static,
    ) -> Self {
        self.manifests = Some(Manifests(Arc::new(offer)));
        self
    }

    /// How long a file must hold still before it is loaded, and be gone before it is unloaded (by default 200 ms).
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// After which time the directory is looked at again (by default 500 ms; at most once a millisecond), where the
    /// system does not tell of changes: not on Linux, on a file system of another machine, or where the directory or a
    /// file in it is a link, or a manifest names a file elsewhere. While something settles there, it is looked at after
    /// that time instead, if that is shorter.
    ///
    /// Everywhere else it is looked at when it has changed, and at no other time.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Looks again after the time to [`poll`](Self::poll), even where the system tells of changes.
    pub fn always_poll(mut self) -> Self {
        self.looking = Looking::Always;
        self
    }

    /// Looks when the host [tells](Changes::tell) of a change, and neither listens to the system nor polls. Until it is told,
    /// it is looked at as it begins to be watched, and when [somebody asks](crate::Watch::look); and again, as any other, while
    /// what was found there has to settle or to wait, and after a look that failed.
    pub fn told_by(mut self, changes: &Changes) -> Self {
        self.looking = Looking::WhenHostTells(changes.clone());
        self
    }

    /// Loads only what no other user than this one and root could have changed: such files, in such directories. What a
    /// manifest names has to be like that too, save what it finds in `PATH`.
    #[cfg(unix)]
    pub fn owned_only(mut self) -> Self {
        self.ownership = Ownership::OursOrRoot;
        self
    }

    /// Takes what changes together: nothing of the directory is loaded, replaced or unloaded as long as anything in it
    /// has not held still, or git holds the lock of the work tree in which it lies. So a checkout is one change.
    ///
    /// A lock that a killed git left behind (`.git/index.lock`) holds everything up, as it does for git.
    pub fn together(mut self) -> Self {
        self.taking = Taking::Together;
        self
    }

    /// When a plugin that ended by itself is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All paths, in the order of their precedence.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path).chain(&self.others).map(PathBuf::as_path)
    }

    /// What can be loaded from this file, or why nothing can.
    pub(crate) fn candidate(&self, file: &File) -> Result<Box<dyn Candidate>, String> {
        #[cfg(unix)]
        if self.ownership == Ownership::OursOrRoot {
            file.paths().try_for_each(super::os::check_ownership)?;
        }
        if let (Some(described), Some(offer)) = (&file.manifest, &self.manifests) {
            let manifest = described.manifest.as_ref().as_ref().map_err(String::clone)?;
            check_program(manifest)?;
            return (offer.0)(manifest, &file.plugin);
        }
        let (offer, found, hint) = match file.kind {
            Kind::Manifest => (&None, "a manifest", "`Directory::manifests` says how to load these"),
            Kind::Library => {
                (&self.libraries, "a shared library", "`Directory::libraries` says how to load these")
            }
            Kind::Program => {
                (&self.programs, "an executable file", "`Directory::programs` says how to load these")
            }
            Kind::Neither => {
                (&None, "neither", "make it executable if it is a program, or move it elsewhere")
            }
        };
        let offer = offer.as_ref().ok_or_else(|| {
            let expected = self.expected();
            format!("expected {expected}, found {found}: `{}`\n(hint: {hint})", file.path.display())
        })?;
        Ok(offer.0(&file.path))
    }

    /// What this file says that its plugin serves, if it says anything, or why that cannot be known.
    pub(crate) fn interface(&self, file: &File) -> Result<Option<Descriptor>, String> {
        let Some(named) = file.interface() else { return Ok(None) };
        let Some(Interfaces(read)) = &self.interfaces else {
            return Err(format!(
                "`interface`: this host reads no descriptions of interfaces, as `{}` is one\n\
                 (hint: `Directory::interfaces` says how)",
                named.path.display()
            ));
        };
        named.find(&**read).map(Some)
    }

    /// What can be loaded from here, for people.
    fn expected(&self) -> String {
        let kinds = [
            (self.libraries.is_some(), "a shared library"),
            (self.programs.is_some(), "an executable file"),
            (self.manifests.is_some(), "a manifest"),
        ];
        let is_any = kinds.iter().any(|(is_offered, _)| *is_offered);
        let expected = kinds.iter().filter(|(is_offered, _)| *is_offered || !is_any);
        let expected: Vec<_> = expected.map(|(_, kind)| *kind).collect();
        match expected.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        }
    }
}

/// A program that is not there is named by the key that names it.
fn check_program(manifest: &Manifest) -> Result<(), String> {
    match manifest.program() {
        Some(program) if !program.is_file() => Err(format!(
            "`command`: expected an executable file, found none at `{}`\n\
             (hint: without a slash it is looked up in `PATH`, with one it is found from the manifest's directory)",
            program.display()
        )),
        _ => Ok(()),
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("path", &self.path).finish_non_exhaustive()
    }
}

/// When a directory is looked at.
#[derive(Clone, Debug)]
pub(crate) enum Looking {
    /// Whenever it is time to.
    Always,
    /// When the host tells of a change.
    WhenHostTells(Changes),
    /// When the system tells of a change, where it does.
    WhenTold,
}

/// Whose files are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    Anybody,
    #[cfg(unix)]
    OursOrRoot,
}

/// When a file is taken that has held still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    OneByOne,
    /// Once all have.
    Together,
}

/// What a host makes of a file.
#[derive(Clone)]
#[expect(clippy::type_complexity, reason = "this is its name")]
struct Offer(Arc<dyn Fn(&Path) -> Box<dyn Candidate> + Send + Sync>);

impl Offer {
    fn new<C: Candidate + 'static>(offer: impl Fn(&Path) -> C + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |path| Box::new(offer(path))))
    }
}

/// What a host makes of a manifest and the name of its plugin.
#[derive(Clone)]
#[expect(clippy::type_complexity, reason = "this is its name")]
struct Manifests(Arc<dyn Fn(&Manifest, &str) -> Result<Box<dyn Candidate>, String> + Send + Sync>);

/// How a host reads what describes interfaces.
#[derive(Clone)]
#[expect(clippy::type_complexity, reason = "this is its name")]
struct Interfaces(Arc<dyn Fn(&Path) -> Result<Vec<Descriptor>, String> + Send + Sync>);

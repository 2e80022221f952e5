//! What a backend is to the rest: something that can be loaded, and something that was.

use std::fmt;
use std::time::Duration;

use jackfield_abi::{self as abi, BindError, Bound, Context, Export, Keep, Object};

use crate::generated::constructor_error;
use crate::schema::{Descriptor, Incompatibility};
use crate::{BoxFuture, CallError, Description, Error, Lane, Step};

/// Something that can be loaded: a library, a program, code that is linked in. A backend offers a type for it.
pub trait Candidate: fmt::Debug + Send + Sync {
    /// Loads it: mechanism only. Nothing is retried, and whatever was begun is undone on an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes what was begun.
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>>;
}

/// What a candidate is loaded for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Load {
    /// The plugin's name and configuration.
    pub context: Context,
    /// The interface that the host will call.
    pub interface: Description,
}

impl Load {
    /// Loads for an interface, with the name and configuration in `context`.
    pub fn new(context: Context, interface: Description) -> Self {
        Self { context, interface }
    }

    /// Constructs the object of the plugin's export for this load's interface, and binds the host's methods to it.
    ///
    /// # Errors
    ///
    /// The plugin has no such export, or one whose methods cannot be called, or its constructor refused.
    #[doc(hidden)]
    pub fn bind(&self, exports: &[Export], keep: Keep, prefer: abi::Lane) -> Result<Bound, LoadErrorKind> {
        let (service, specs) = (self.interface.schema().service, self.interface.specs());
        let export = exports.iter().find(|export| export.service() == service).ok_or_else(|| {
            let found = exports.iter().map(|export| export.service().to_owned()).collect();
            LoadErrorKind::Interface { expected: service, found }
        })?;
        export.check(specs)?;
        let object = Object::create(export, &self.context, keep)
            .map_err(|refusal| LoadErrorKind::Refused(constructor_error(&refusal)))?;
        Ok(match self.interface.descriptor() {
            Some(interface) => Bound::by_name(object, interface.methods.iter().map(|method| &*method.name)),
            None => Bound::bind(object, specs, prefer)?,
        })
    }

    /// The error of this load.
    pub fn error(&self, kind: impl Into<LoadErrorKind>) -> LoadError {
        LoadError { plugin: self.context.plugin().to_owned(), kind: kind.into() }
    }
}

/// One loaded plugin.
pub trait Instance: fmt::Debug + Send + Sync {
    /// How calls of the interface for which it was loaded reach it.
    fn lane(&self) -> Lane;

    /// The interfaces that it serves, as it describes them itself. Without this method a plugin does not say.
    fn interfaces(&self) -> BoxFuture<'_, Result<Vec<Descriptor>, LoadErrorKind>> {
        Box::pin(std::future::ready(Err(LoadErrorKind::Silent)))
    }

    /// How calls of another interface of the same plugin reach it: an object of its own is constructed for it. Without
    /// this method a plugin serves the one for which it was loaded.
    fn interface<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Lane, LoadErrorKind>> {
        let (expected, found) = (load.interface.schema().service, Vec::new());
        Box::pin(std::future::ready(Err(LoadErrorKind::Interface { expected, found })))
    }

    /// The number of the process that is this plugin, as long as it runs. Without this method there is none.
    fn process(&self) -> Option<u32> {
        None
    }

    /// What another host needs to attach itself to the plugin, as the backend writes it. Without this method none can.
    fn reattach(&self) -> Option<String> {
        None
    }

    /// Resolves when the plugin has ended by itself, with what is known of its end. It never resolves for code in
    /// this process.
    fn closed(&self) -> BoxFuture<'static, CallError>;

    /// Ends the plugin. The caller has drained it; whatever still runs is cut off.
    ///
    /// `deadline` bounds how long the plugin may take to end by itself.
    fn unload(self: Box<Self>, deadline: Duration) -> BoxFuture<'static, Unloaded>;
}

/// What became of a plugin that was unloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unloaded {
    /// Its object was dropped; its code is part of this program.
    Dropped,
    /// Its process ended.
    Exited {
        /// The exit status, as the operating system words it.
        status: String,
    },
    /// It goes on: somebody else runs it.
    Left,
    /// Its process did not end in time, and was killed.
    Killed,
    /// Its object was dropped, but its code stays in this process.
    Pinned {
        /// What holds it, such as a thread with one of its thread-locals.
        by: Vec<String>,
    },
    /// Its code is gone from this process.
    Unmapped,
}

impl fmt::Display for Unloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped => f.write_str("dropped"),
            Self::Exited { status } => write!(f, "exited ({status})"),
            Self::Left => f.write_str("left running"),
            Self::Killed => f.write_str("killed after the deadline"),
            Self::Pinned { by } => write!(f, "pinned by {}", by.join(", ")),
            Self::Unmapped => f.write_str("unmapped"),
        }
    }
}

/// A plugin could not be loaded.
#[derive(Debug)]
pub struct LoadError {
    plugin: String,
    kind: LoadErrorKind,
}

impl LoadError {
    /// The plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The step at which it failed.
    ///
    /// ```
    /// # use jackfield_core::{Context, Description, Load, LoadErrorKind, Step};
    /// let load = Load::new(Context::new("kv", []), Description::any());
    /// let error = load.error(LoadErrorKind::Silent);
    /// assert_eq!(error.step(), Step::Check);
    /// assert_eq!(error.to_string(), "failed to load the plugin `kv` (step `check`)");
    /// ```
    pub fn step(&self) -> Step {
        self.kind.step()
    }

    /// What happened.
    pub fn kind(&self) -> &LoadErrorKind {
        &self.kind
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to load the plugin `{}` (step `{}`)", self.plugin, self.step())
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// Why a plugin could not be loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The backend failed in a way of its own.
    Backend {
        /// The backend.
        backend: &'static str,
        /// The step at which it failed.
        step: Step,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The plugin's table of methods cannot be bound.
    Bind(BindError),
    /// The plugin cannot serve the host's interface.
    Incompatible(Incompatibility),
    /// The plugin's `init` refused or panicked.
    Init(Error),
    /// The plugin implements other interfaces.
    Interface {
        /// What the host asked for.
        expected: &'static str,
        /// What the plugin has.
        found: Vec<String>,
    },
    /// The plugin's constructor refused or panicked.
    Refused(Error),
    /// The old plugin could not save what it holds.
    Save(Error),
    /// The plugin does not say what it serves.
    Silent,
}

impl LoadErrorKind {
    /// A failure of a backend's own, at a step.
    pub fn backend(
        backend: &'static str,
        step: Step,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Backend { backend, step, source: source.into() }
    }

    /// The step at which it failed.
    pub fn step(&self) -> Step {
        match self {
            Self::Backend { step, .. } => *step,
            Self::Bind(_) | Self::Incompatible(_) | Self::Interface { .. } | Self::Silent => Step::Check,
            Self::Init(_) => Step::Init,
            Self::Refused(_) => Step::Construct,
            Self::Save(_) => Step::Save,
        }
    }
}

impl fmt::Display for LoadErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend { backend, .. } => write!(f, "the `{backend}` backend failed"),
            Self::Bind(_) | Self::Incompatible(_) => f.write_str(
                "it cannot serve this host's interface\n(hint: rebuild the plugin against the host's interface crate)",
            ),
            Self::Init(_) => f.write_str("its `init` refused"),
            Self::Interface { expected, found } if found.is_empty() => {
                write!(f, "expected the interface `{expected}`, but it implements none")
            }
            Self::Interface { expected, found } => {
                write!(f, "expected the interface `{expected}`, but it implements `{}`", found.join("`, `"))
            }
            Self::Refused(_) => f.write_str("its constructor refused"),
            Self::Save(_) => f.write_str("the old one could not save what it holds"),
            Self::Silent => f.write_str(
                "it does not say what it serves\n(hint: a program says it by gRPC's server reflection; for any other its \
                 host says it, or its manifest by `interface`)",
            ),
        }
    }
}

impl std::error::Error for LoadErrorKind {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Backend { source, .. } => Some(source.as_ref()),
            Self::Bind(error) => Some(error),
            Self::Incompatible(error) => Some(error),
            Self::Interface { .. } | Self::Silent => None,
            Self::Init(error) | Self::Refused(error) | Self::Save(error) => Some(error),
        }
    }
}

impl From<BindError> for LoadErrorKind {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<Incompatibility> for LoadErrorKind {
    fn from(error: Incompatibility) -> Self {
        Self::Incompatible(error)
    }
}

//! What can go wrong with a symbol: opening, finding, asserting.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jackfield_core::{CallError, Step};

use crate::NativeError;

/// A library could not be opened, or not be replaced.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The same content is live under another path.
    #[error(
        "`{path}` is a copy of `{other}`, which is open\n\
         (hint: open `{other}`, or unload it first; to update a plugin, put the new file under the same path)"
    )]
    AlreadyOpen {
        /// The file.
        path: PathBuf,
        /// The file that is open.
        other: PathBuf,
    },
    /// The library is being opened by this very thread: its own `init` opens it.
    #[error("`{path}` is being opened: its own `init` cannot open it")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Another content with the same identity is live under another path.
    #[error(
        "`{path}` has the identity `{id}`, but other content than `{other}`, which is open under this identity\n\
         (hint: build one of them with an identity of its own, or unload the other first)"
    )]
    Identity {
        /// The file.
        path: PathBuf,
        /// The identity.
        id: String,
        /// The file that is open.
        other: PathBuf,
    },
    /// The library's `init` panicked.
    #[error("the `init` of `{path}` panicked: {message}")]
    InitPanicked {
        /// The file.
        path: PathBuf,
        /// The panic's message and, where it is known, its place.
        message: String,
    },
    /// The library's `init` refused.
    #[error("the `init` of `{path}` refused: {reason}")]
    InitRefused {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The file cannot be loaded.
    #[error(transparent)]
    Load(Arc<NativeError>),
    /// The path leads to no file.
    #[error("`{path}` leads to no file")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
    /// An earlier attempt failed, and the file has not changed since.
    #[error("{source} (previous failure)\n(hint: it is tried again once the file has changed)")]
    Previous {
        /// What it was.
        source: Arc<Self>,
    },
    /// The library that would replace an open one lacks a symbol that is in use, or has it with another type.
    #[error("`{path}` cannot replace what is open: `{symbol}` is in use as {expected}, but would be {found}")]
    Symbol {
        /// The file.
        path: PathBuf,
        /// The symbol.
        symbol: String,
        /// What it is.
        expected: String,
        /// What it would be.
        found: String,
    },
    /// The plugin was unloaded.
    #[error("the plugin `{plugin}` was unloaded\n(hint: open it again)")]
    Unloaded {
        /// The plugin.
        plugin: String,
    },
}

impl OpenError {
    /// The step of a load at which it failed.
    pub fn step(&self) -> Step {
        match self {
            Self::InitPanicked { .. } | Self::InitRefused { .. } => Step::Init,
            Self::Load(error) => error.step(),
            Self::Previous { source } => source.step(),
            Self::AlreadyOpen { .. }
            | Self::Busy { .. }
            | Self::Identity { .. }
            | Self::Path { .. }
            | Self::Unloaded { .. } => Step::Read,
            Self::Symbol { .. } => Step::Check,
        }
    }

    /// Whether the same file would fail again, whatever else is open.
    pub(super) fn is_lasting(&self) -> bool {
        !matches!(
            self,
            Self::AlreadyOpen { .. } | Self::Busy { .. } | Self::Identity { .. } | Self::Symbol { .. }
        )
    }
}

/// A symbol was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupError {
    /// No plugin of this name, or of this version, is open.
    NoPlugin {
        /// The name, and the version where one was asked for.
        plugin: String,
        /// What is open: names and versions.
        open: Vec<String>,
    },
    /// No plugin that is open has registered a function of this name.
    NotRegistered {
        /// The name.
        symbol: String,
    },
    /// The plugin exports nothing of this name.
    NotFound {
        /// The plugin.
        plugin: String,
        /// The name.
        symbol: String,
        /// What it exports, in order.
        exported: Vec<String>,
    },
    /// The plugin was unloaded.
    Closed(CallError),
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { plugin, symbol, exported } if exported.is_empty() => {
                write!(
                    f,
                    "the plugin `{plugin}` exports no symbol `{symbol}`\n(hint: it exports none at all)"
                )
            }
            Self::NotFound { plugin, symbol, exported } => write!(
                f,
                "the plugin `{plugin}` exports no symbol `{symbol}`\n(hint: it exports `{}`)",
                exported.join("`, `")
            ),
            Self::NoPlugin { plugin, open } if open.is_empty() => {
                write!(f, "no plugin `{plugin}` is open\n(hint: none is)")
            }
            Self::NoPlugin { plugin, open } => {
                write!(f, "no plugin `{plugin}` is open\n(hint: open are `{}`)", open.join("`, `"))
            }
            Self::NotRegistered { symbol } => write!(f, "no plugin has registered a function `{symbol}`"),
            Self::Closed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LookupError {}

/// A symbol is not what it was asserted to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DowncastError {
    /// The symbol.
    pub symbol: String,
    /// What it is.
    pub found: String,
    /// What it was asserted to be.
    pub expected: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for DowncastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symbol, found, expected, hint } = self;
        write!(f, "the symbol `{symbol}` is {found}, not {expected}")?;
        match hint {
            Some(hint) => write!(f, "\n(hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DowncastError {}

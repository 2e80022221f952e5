//! Why a file cannot be loaded as a shared library.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jackfield_core::Step;
use jackfield_core::note::NoteError;

use crate::Digest;

/// A file cannot be loaded as a plugin in this process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NativeError {
    /// The library was built for another major version of Jackfield.
    #[error(
        "`{path}` was built with Jackfield {found} (ABI {found_abi}), but this host has ABI {expected_abi}\n\
         (hint: rebuild the plugin with the host's version of Jackfield)"
    )]
    Abi {
        /// The file.
        path: PathBuf,
        /// The ABI of this host.
        expected_abi: u32,
        /// The version with which the plugin was built.
        found: String,
        /// The ABI of the plugin.
        found_abi: u32,
    },
    /// The library was built so that a panic ends the whole process.
    #[error(
        "`{path}` was built with `panic = \"{found}\"`, so a panic in it would end this host\n\
         (hint: build it with `panic = \"unwind\"`, or run it as a process)"
    )]
    Abort {
        /// The file.
        path: PathBuf,
        /// The panic strategy.
        found: String,
    },
    /// The library's own code did not return in time.
    #[error(
        "`{path}` did not come to an end of the step `{step}` within {deadline:?}\n\
         (hint: it cannot be stopped and stays in this process; as a process it could be)"
    )]
    Deadline {
        /// The file.
        path: PathBuf,
        /// What it was doing.
        step: Step,
        /// The deadline.
        deadline: Duration,
    },
    /// The library is none of those that the host allows.
    #[error("expected `{path}` to have a digest that this host allows, found {found}")]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its SHA-256 digest.
        found: Digest,
    },
    /// The library's entry is not what its note promises.
    #[error("`{path}` exports `{symbol}`, but that is not the entry of a plugin of this version")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The symbol.
        symbol: String,
    },
    /// The file cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The path names something that is not a file.
    #[error("expected a shared library at `{path}`, found {found}")]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The system's loader refused the library.
    #[error("the system cannot load `{path}`: {reason}")]
    Loader {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// A private copy of the library cannot be made.
    #[error("a private copy of `{path}` cannot be made")]
    Memory {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The library's note is damaged.
    #[error("the note in `{path}` cannot be read")]
    Note {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NoteError,
    },
    /// The library does not export the entry that its note names.
    #[error("`{path}` does not export `{symbol}`, which its note names as the plugin's entry")]
    NoEntry {
        /// The file.
        path: PathBuf,
        /// The symbol.
        symbol: String,
    },
    /// The file is not a shared library for this machine.
    #[error("`{path}` is not a shared library that this machine can load: {reason}")]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// The file is a shared library, but no plugin.
    #[error(
        "`{path}` is a shared library, but not a Jackfield plugin: it has no note\n\
         (hint: a plugin has one line `jackfield_plugin::export!(…)`)"
    )]
    NotAPlugin {
        /// The file.
        path: PathBuf,
    },
    /// There is no thread on which the library could be loaded.
    #[error("no thread can be started for the library")]
    Thread {
        /// What the operating system says.
        source: io::Error,
    },
    /// What the library does with threads cannot be watched, so it could not be unloaded safely.
    #[error("the thread-locals of `{path}` cannot be watched")]
    Watch {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Too many libraries that were unloaded are still pinned.
    #[error(
        "{pinned} unloaded libraries are still mapped, as many as this host allows\n\
         (hint: end the threads that pin them, or run such plugins as processes)"
    )]
    Pinned {
        /// How many there are.
        pinned: usize,
    },
}

impl NativeError {
    /// The step of a load at which it failed.
    pub fn step(&self) -> Step {
        match self {
            Self::Abi { .. } | Self::Abort { .. } => Step::Check,
            Self::Deadline { step, .. } => *step,
            Self::Entry { .. }
            | Self::Loader { .. }
            | Self::NoEntry { .. }
            | Self::Pinned { .. }
            | Self::Thread { .. }
            | Self::Watch { .. } => Step::Start,
            _ => Step::Read,
        }
    }
}

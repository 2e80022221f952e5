//! How far a load has come.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A step of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The file is read and checked.
    #[default]
    Read,
    /// The library is mapped, and what it runs for itself at its beginning.
    Load,
    /// The plugin's `init` runs.
    Init,
    /// The plugin's constructor runs.
    Construct,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "being read",
            Self::Load => "being mapped",
            Self::Init => "its `init`",
            Self::Construct => "its constructor",
        })
    }
}

/// How far a load has come. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Mutex<Step>>);

impl Progress {
    /// Goes on to a step.
    pub(crate) fn begin(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// The step that was begun last.
    pub(crate) fn step(&self) -> Step {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

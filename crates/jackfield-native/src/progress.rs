//! How far a load has come.

use std::sync::{Arc, Mutex, PoisonError};

use jackfield_core::Step;

/// How far a load has come. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Mutex<Step>>);

impl Progress {
    /// Nothing has run yet: the file has been read and checked.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Step::Start)))
    }

    /// Goes on to a step.
    pub(crate) fn begin(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// The step that was begun last.
    pub(crate) fn step(&self) -> Step {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

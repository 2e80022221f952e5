//! A candidate that is asked what it serves as soon as it is loaded.

use std::sync::{Mutex, PoisonError};

use jackfield_core::schema::Descriptor;
use jackfield_core::{BoxFuture, Candidate, Instance, Load, LoadError};

/// A candidate that is asked what it serves as soon as it is loaded: so one that does not say is not loaded at all.
#[derive(Debug)]
pub(super) struct Described<'a> {
    candidate: &'a dyn Candidate,
    interfaces: Mutex<Vec<Descriptor>>,
}

impl<'a> Described<'a> {
    pub(super) fn new(candidate: &'a dyn Candidate) -> Self {
        Self { candidate, interfaces: Mutex::default() }
    }

    /// What it said.
    pub(super) fn into_interfaces(self) -> Vec<Descriptor> {
        self.interfaces.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Candidate for Described<'_> {
    fn load<'a>(&'a self, load: &'a Load) -> BoxFuture<'a, Result<Box<dyn Instance>, LoadError>> {
        Box::pin(async {
            let instance = self.candidate.load(load).await?;
            let interfaces = instance.interfaces().await.map_err(|kind| load.error(kind))?;
            *self.interfaces.lock().unwrap_or_else(PoisonError::into_inner) = interfaces;
            Ok(instance)
        })
    }
}

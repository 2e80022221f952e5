//! Asks plugins what they serve.

use std::sync::{Mutex, PoisonError};

use jackfield_core::schema::Descriptor;
use jackfield_core::{BoxFuture, Candidate, Instance, Load, LoadError, LoadErrorKind};

use super::error::ReloadError;
use super::lifecycle::Manager;

impl Manager {
    /// What a plugin that was loaded serves now, as it describes it itself: what [`dynamic`](Self::dynamic) takes. Of one
    /// that does not say, it is what it was [loaded](Self::load_described) as. Names are as for [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// There is no such plugin, or neither is known: over net/rpc no plugin says it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn interfaces(&self, name: &str) -> Result<Vec<Descriptor>, ReloadError> {
        let id = self.resolve(name)?;
        let entry = self.shared.registry.find(&id)?;
        let instance = entry.extra.instance.lock().await;
        let Some(instance) = &*instance else { return Err(self.unloaded(&id)) };
        let load = &entry.extra.load;
        match (instance.interfaces().await, load.interface.descriptor()) {
            (Err(LoadErrorKind::Silent), Some(described)) => Ok(vec![described.clone()]),
            (said, _) => Ok(said.map_err(|kind| load.error(kind))?),
        }
    }
}

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

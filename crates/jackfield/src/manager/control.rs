//! What the manager keeps of a plugin.

use std::sync::{Arc, MutexGuard, PoisonError};

use jackfield_core::{Description, Handle, Instance, Interface, Load, Slot};
use tokio::sync::Mutex;

/// What the manager keeps of a plugin, beside its slot. The lock is held for a whole reload or unload.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) load: Load,
    /// The other interfaces that were asked for, each with its slot.
    pub(super) others: std::sync::Mutex<Vec<(Description, Arc<Slot>)>>,
    pub(super) instance: Mutex<Option<Box<dyn Instance>>>,
}

impl Control {
    pub(super) fn others(&self) -> MutexGuard<'_, Vec<(Description, Arc<Slot>)>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle to another interface that was asked for before.
    pub(super) fn other<I: Interface + ?Sized>(&self) -> Option<Handle<I>> {
        self.others().iter().find_map(|(_, slot)| slot.handle())
    }
}

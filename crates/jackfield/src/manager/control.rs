//! What the manager keeps of a plugin.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use jackfield_core::{
    Bytes, Candidate, Context, Description, Generation, Instance, Lane, Load, LoadError, Slot, with_all_saved,
};
use tokio::sync::Mutex;

use super::supervision::Supervisor;

/// What the manager keeps of a plugin, beside its slot. The lock is held for a whole reload or unload.
#[derive(Debug)]
pub(super) struct Control {
    /// As what it was loaded first.
    pub(super) load: Load,
    /// With what the present generation was constructed. It changes under the lock of the instance.
    context: std::sync::Mutex<Context>,
    /// What every instance of it is loaded by.
    pub(super) supervisor: Supervisor,
    /// The other interfaces that were asked for, each with its slot.
    others: std::sync::Mutex<Vec<(Description, Arc<Slot>)>>,
    pub(super) instance: Mutex<Option<Box<dyn Instance>>>,
    /// The generation of the slot. It changes under the lock of the instance.
    pub(super) generation: AtomicU64,
    /// Why it ended by itself, if it did.
    failure: std::sync::Mutex<Option<String>>,
    /// Generations whose calls began here and may still run: those under a name that another version has now, and those
    /// that outlasted a hand-over.
    leaving: std::sync::Mutex<Vec<Weak<Generation>>>,
}

impl Control {
    pub(super) fn new(load: Load, supervisor: Supervisor, instance: Box<dyn Instance>) -> Self {
        let instance = Mutex::new(Some(instance));
        let (others, failure, leaving) = Default::default();
        let (context, generation) = (load.context.clone().into(), AtomicU64::new(1));
        Self { load, context, supervisor, others, instance, generation, failure, leaving }
    }

    /// With what the present generation was constructed.
    pub(super) fn context(&self) -> Context {
        self.context.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes under the lock of the instance.
    pub(super) fn set_context(&self, context: Context) {
        *self.context.lock().unwrap_or_else(PoisonError::into_inner) = context;
    }

    /// Why the instance ended by itself, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes under the lock of the instance.
    pub(super) fn set_failure(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Keeps what has to end before the instance may.
    pub(super) fn leave(&self, generation: Weak<Generation>) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|generation| generation.strong_count() > 0);
        leaving.push(generation);
    }

    /// What has to end before the instance may.
    pub(super) fn leaving(&self) -> Vec<Weak<Generation>> {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|generation| generation.strong_count() > 0);
        leaving.clone()
    }

    /// Loads another generation, with all interfaces that were asked for, and with what the one before it has saved.
    pub(super) async fn load_next(
        &self,
        candidate: &dyn Candidate,
        context: &Context,
        saved: Vec<(Description, Bytes)>,
    ) -> Result<Loaded, LoadError> {
        let mut load = load_from(context, self.load.interface, &saved);
        if !saved.is_empty() {
            let all = saved.iter().map(|(interface, saved)| (service(*interface).to_owned(), saved.clone()));
            load.context = with_all_saved(load.context, all.collect());
        }
        let new = self.supervisor.load(candidate, &load).await?;
        let mut others = Vec::new();
        let served = self.others().clone();
        for (description, slot) in served {
            let load = load_from(context, description, &saved);
            others.push((slot, new.interface(&load).await.map_err(|kind| load.error(kind))?));
        }
        Ok(Loaded { instance: new, others })
    }

    pub(super) fn others(&self) -> MutexGuard<'_, Vec<(Description, Arc<Slot>)>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of another interface that was asked for before.
    pub(super) fn other(&self, fits: impl Fn(Description, &Arc<Slot>) -> bool) -> Option<Arc<Slot>> {
        self.others().iter().find(|(interface, slot)| fits(*interface, slot)).map(|(_, slot)| slot.clone())
    }
}

/// Another generation, with how calls of each other interface reach it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) instance: Box<dyn Instance>,
    pub(super) others: Vec<(Arc<Slot>, Lane)>,
}

fn load_from(context: &Context, interface: Description, saved: &[(Description, Bytes)]) -> Load {
    let own = saved.iter().find(|(other, _)| service(*other) == service(interface));
    let context = match own {
        Some((_, saved)) => context.clone().with_saved(saved.clone()),
        None => context.clone(),
    };
    Load::new(context, interface)
}

fn service(interface: Description) -> &'static str {
    interface.schema().service
}

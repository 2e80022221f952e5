//! Supervises one plugin, through everything that is loaded for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jackfield_core::{Candidate, Instance, Load, LoadError};

use super::counters::Counters;
use super::instance::Supervised;
use super::process::Process;
use super::stats::Stats;

/// Supervises one plugin: it loads what is to be called, so that calls go through it from then on.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    counters: Arc<Counters>,
    /// Of each instance that may still be there, the one that was loaded last at the end.
    tenures: Mutex<Vec<Weak<Tenure>>>,
}

/// One instance, for as long as it is there or called.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) counters: Arc<Counters>,
    process: Option<Process>,
}

impl Supervisor {
    /// Loads a candidate.
    pub(crate) async fn load(
        &self,
        candidate: &dyn Candidate,
        load: &Load,
    ) -> Result<Box<dyn Instance>, LoadError> {
        let instance = candidate.load(load).await?;
        let process = instance.process().and_then(Process::of);
        let tenure = Arc::new(Tenure { counters: self.counters.clone(), process });
        let mut tenures = self.tenures();
        tenures.retain(|tenure| tenure.strong_count() > 0);
        tenures.push(Arc::downgrade(&tenure));
        Ok(Box::new(Supervised::new(instance, tenure)))
    }

    /// Counts that the plugin is started again after it has ended by itself.
    pub(crate) fn restarted(&self) {
        self.counters.restarted();
    }

    /// What is known now, under this generation.
    ///
    /// Calls into this process do not pass here: whoever counts them adds them.
    pub(crate) fn stats(&self, generation: u64) -> Stats {
        let process = self.present().and_then(|tenure| tenure.process);
        self.counters.stats(generation, process.and_then(|process| process.memory()))
    }

    /// The instance that was loaded last and is still there: one that was loaded in vain is dropped at once.
    fn present(&self) -> Option<Arc<Tenure>> {
        self.tenures().iter().rev().find_map(Weak::upgrade)
    }

    fn tenures(&self) -> MutexGuard<'_, Vec<Weak<Tenure>>> {
        self.tenures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

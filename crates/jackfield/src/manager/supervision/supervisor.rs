//! Supervises one plugin, through everything that is loaded for it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use jackfield_core::{Candidate, Counts, Instance, Load, LoadError, Tally, Timer};

use super::counters::{Counters, add, read};
use super::gate::Gate;
use super::instance::Supervised;
use super::policy::Policy;
use super::process::Process;
#[cfg(feature = "metrics")]
use super::published::Published;
use super::stats::Stats;

/// Supervises one plugin: it loads what is to be called, so that calls go through it from then on.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(super) counters: Arc<Counters>,
    /// What counts the calls into this process, once there is something to call.
    tally: Arc<OnceLock<Arc<Tally>>>,
    timer: Arc<dyn Timer>,
    /// Under what the next instance is loaded.
    policy: Mutex<Policy>,
    /// Of each instance that may still be there, the one that was loaded last at the end.
    tenures: Mutex<Vec<Weak<Tenure>>>,
    #[cfg(feature = "metrics")]
    pub(super) published: Mutex<Published>,
}

/// One instance, for as long as it is there or called.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) counters: Arc<Counters>,
    pub(super) gate: Gate,
    pub(super) plugin: String,
    process: Option<Process>,
    tally: Arc<OnceLock<Arc<Tally>>>,
    /// By whose time calls into this process end, if these go through the gate.
    pub(super) alarms: Option<Arc<dyn Timer>>,
}

impl Tenure {
    #[cfg(test)]
    pub(super) fn for_test(plugin: &str) -> Arc<Self> {
        let timer: Arc<dyn Timer> = Arc::new(crate::manager::timer::ThreadTimer::default());
        let (counters, tally) = Default::default();
        let gate = Gate::new(&Policy::default(), &timer);
        let plugin = plugin.to_owned();
        Arc::new(Self { counters, gate, plugin, process: None, tally, alarms: None })
    }

    /// What counts the calls into this process. The times that it takes are among all others.
    pub(super) fn tally(&self) -> Arc<Tally> {
        let new = || {
            let counters = self.counters.clone();
            Arc::new(Tally::new(move |took| counters.latency.record(took)))
        };
        self.tally.get_or_init(new).clone()
    }
}

impl Supervisor {
    pub(crate) fn new(policy: Policy, timer: Arc<dyn Timer>) -> Self {
        let (counters, tally, tenures) = Default::default();
        Self {
            counters,
            tally,
            timer,
            policy: Mutex::new(policy),
            tenures,
            #[cfg(feature = "metrics")]
            published: Mutex::default(),
        }
    }

    /// Loads a candidate.
    pub(crate) async fn load(
        &self,
        candidate: &dyn Candidate,
        load: &Load,
    ) -> Result<Box<dyn Instance>, LoadError> {
        let instance = candidate.load(load).await?;
        let (gate, alarms) = {
            let policy = lock(&self.policy);
            (Gate::new(&policy, &self.timer), (!policy.is_open()).then(|| self.timer.clone()))
        };
        let process = instance.process().and_then(Process::of);
        let plugin = load.context.plugin().to_owned();
        let (counters, tally) = (self.counters.clone(), self.tally.clone());
        let tenure = Arc::new(Tenure { counters, gate, plugin, process, tally, alarms });
        let mut tenures = lock(&self.tenures);
        tenures.retain(|tenure| tenure.strong_count() > 0);
        tenures.push(Arc::downgrade(&tenure));
        Ok(Box::new(Supervised::new(instance, load.interface, tenure)))
    }

    /// Under what instances are loaded from now on.
    pub(crate) fn adopt(&self, policy: Policy) {
        *lock(&self.policy) = policy;
    }

    /// Counts that the plugin is started again after it has ended by itself.
    pub(crate) fn restarted(&self) {
        add(&self.counters.restarts);
    }

    /// What is known now, under this generation.
    pub(crate) fn stats(&self, generation: u64) -> Stats {
        let Counters { calls, errors, failures, in_flight, rejected, restarts, latency } = &*self.counters;
        let tenure = self.present();
        let process = tenure.as_ref().and_then(|tenure| tenure.process);
        let [p50, p99] = latency.quantiles([0.5, 0.99]);
        let here = self.tally.get().map_or_else(Counts::default, |tally| tally.counts());
        Stats {
            calls: read(calls) + here.calls,
            circuit: tenure.as_ref().and_then(|tenure| tenure.gate.circuit()),
            errors: read(errors) + here.errors,
            failures: read(failures) + here.failures,
            generation,
            in_flight: read(in_flight),
            memory: process.and_then(Process::memory),
            p50,
            p99,
            rejected: read(rejected),
            restarts: read(restarts),
            waiting: tenure.map_or(0, |tenure| tenure.gate.waiting() as u64),
        }
    }

    /// The instance that was loaded last and is still there: one that was loaded in vain is dropped at once.
    fn present(&self) -> Option<Arc<Tenure>> {
        lock(&self.tenures).iter().rev().find_map(Weak::upgrade)
    }
}

pub(super) fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

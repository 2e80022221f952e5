//! Configures a manager.

use std::sync::Arc;
use std::time::Duration;

use jackfield_core::__private::keep_deadlines;
use jackfield_core::Timer;

use super::lifecycle::{Manager, Shared};
use super::states::States;
use super::supervision::{Breaker, Limits, Policy, Spans};
use super::timer::ThreadTimer;
use crate::registry::Registry;

/// Configures a [`Manager`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct Builder {
    drain_deadline: Duration,
    event_capacity: usize,
    hand_over_deadline: Duration,
    policy: Policy,
    stop_deadline: Duration,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            drain_deadline: Duration::from_secs(30),
            event_capacity: 256,
            hand_over_deadline: Duration::from_secs(5),
            policy: Policy::default(),
            stop_deadline: Duration::from_secs(2),
        }
    }

    /// Calls plugins no more for a while that do not answer (by default they are always called). See also
    /// [`Manager::with_breaker`].
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.policy.breaker = Some(breaker);
        self
    }

    /// How long calls on an old generation may take to end before it is unloaded all the same (by default 30 s).
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain_deadline = deadline;
        self
    }

    /// How many events are kept for a reader of [`Manager::events`] that is slow (by default 256; at most 65 536, and
    /// rounded up to a power of two). Their room is taken at once.
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.event_capacity = events;
        self
    }

    /// How long calls may wait while a plugin that [saves](crate::Save) is replaced, until those that run have ended and the
    /// new one is constructed (by default 5 s). After that they go on at the old one, and the reload has failed.
    pub fn hand_over_deadline(mut self, deadline: Duration) -> Self {
        self.hand_over_deadline = deadline;
        self
    }

    /// How much may be asked of each plugin at once (by default any amount). See also
    /// [`Manager::with_limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.policy.limits = limits;
        self
    }

    /// How long a plugin's process may take to end by itself before it is killed (by default 2 s).
    pub fn stop_deadline(mut self, deadline: Duration) -> Self {
        self.stop_deadline = deadline;
        self
    }

    /// Gives each call a span of `tracing`, where somebody listens: also one into this process, which takes longer then, as is
    /// said of [limits](crate::Limits#in-this-process) (by default only those to other processes have one).
    pub fn trace_all(mut self) -> Self {
        self.policy.spans = Spans::All;
        self
    }

    /// The manager.
    pub fn build(self) -> Manager {
        let Self { drain_deadline, event_capacity, hand_over_deadline, policy, stop_deadline } = self;
        let timer: Arc<dyn Timer> = Arc::new(ThreadTimer::default());
        keep_deadlines(&timer);
        let (registry, states) = (Registry::new(), States::new(event_capacity));
        let (versions, orders) = Default::default();
        Manager {
            shared: Arc::new(Shared {
                registry,
                versions,
                orders,
                states,
                timer,
                drain_deadline,
                hand_over_deadline,
                stop_deadline,
            }),
            policy,
        }
    }
}

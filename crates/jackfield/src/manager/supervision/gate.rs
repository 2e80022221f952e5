//! Lets the calls of one instance through, as far as its policy allows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jackfield_core::{CallError, CallOptions, Method, Timer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::breaker::{Circuit, Switch, Ticket, Verdict};
use super::policy::Policy;
use crate::watch::{First, first, sleep_until};

/// Lets the calls of one instance through.
#[derive(Debug)]
pub(super) struct Gate {
    switch: Option<Mutex<Switch>>,
    places: Option<Places>,
    deadline: Option<Duration>,
}

impl Gate {
    pub(super) fn new(policy: &Policy, timer: &Arc<dyn Timer>) -> Self {
        let Policy { breaker, limits, .. } = policy;
        let switch = breaker.clone().map(|breaker| Mutex::new(Switch::new(breaker)));
        let places = limits.calls.map(|calls| Places::new(calls, limits.queue, timer.clone()));
        Self { switch, places, deadline: limits.deadline }
    }

    /// The options under which a call is made.
    pub(super) fn options(&self, method: &Method, options: Option<CallOptions>) -> Option<CallOptions> {
        let Some(deadline) = self.deadline else { return options };
        let has_one = options.as_ref().is_some_and(|options| options.expires_at().is_some());
        let lasts = method.request_stream().is_some() || method.response_stream().is_some();
        if has_one || lasts {
            return options;
        }
        Some(options.unwrap_or_default().timeout(deadline))
    }

    /// Lets a call through if the circuit does.
    pub(super) fn admit(&self) -> Result<Option<Ticket>, CallError> {
        self.switch().map(|mut switch| switch.admit(Instant::now())).transpose()
    }

    /// Takes notice of what came of a call that was let through. Returns whether the circuit is another one for it.
    pub(super) fn settle(&self, ticket: Ticket, verdict: Verdict<'_>) -> Option<Circuit> {
        self.switch()?.settle(ticket, verdict, Instant::now())
    }

    /// Whether calls are let through; nothing if they always are.
    pub(super) fn circuit(&self) -> Option<Circuit> {
        self.switch().map(|switch| switch.circuit())
    }

    fn switch(&self) -> Option<MutexGuard<'_, Switch>> {
        self.switch.as_ref().map(|switch| switch.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there is a place for a call, which is in flight until what this returns is dropped.
    pub(super) async fn enter(
        &self,
        method: &Method,
        deadline: Option<Instant>,
    ) -> Result<Option<OwnedSemaphorePermit>, CallError> {
        match &self.places {
            None => Ok(None),
            Some(places) => places.enter(method, deadline).await.map(Some),
        }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.places.as_ref().map_or(0, |places| places.waiting.load(Ordering::Relaxed))
    }
}

/// The places of calls that are in flight, and of those that wait.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    calls: usize,
    queue: usize,
    waiting: AtomicUsize,
    timer: Arc<dyn Timer>,
}

impl Places {
    fn new(calls: usize, queue: usize, timer: Arc<dyn Timer>) -> Self {
        let calls = calls.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(calls)), calls, queue, waiting: AtomicUsize::new(0), timer }
    }

    async fn enter(
        &self,
        method: &Method,
        deadline: Option<Instant>,
    ) -> Result<OwnedSemaphorePermit, CallError> {
        // Nobody overtakes: a place that becomes free is of the first who waits.
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = self.queue_up()?;
        let place = self.free.clone().acquire_owned();
        match first(place, sleep_until(&*self.timer, deadline)).await {
            First::Left(place) => Ok(place.expect("it is never closed")),
            First::Right(()) => Err(CallError::DeadlineExceeded { method: method.path.to_owned() }),
        }
    }

    fn queue_up(&self) -> Result<Waiting<'_>, CallError> {
        let add = |waiting| (waiting < self.queue).then_some(waiting + 1);
        match self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Waiting(&self.waiting)),
            Err(_) => Err(CallError::Busy { calls: self.calls, queue: self.queue }),
        }
    }
}

/// That a call waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

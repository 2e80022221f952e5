//! One call, from when it is asked for to its end.

use std::sync::Arc;
use std::time::Instant;

use jackfield_core::{CallError, CallOptions, Error, Method, Parcel, Part};
use tokio::sync::OwnedSemaphorePermit;

use super::breaker::{Circuit, Ticket, Verdict};
use super::counters::{Counters, add, subtract};
use super::supervisor::Tenure;

/// A call that is asked for. Dropped before its end, it was given up.
#[derive(Debug)]
pub(super) struct Call {
    tenure: Arc<Tenure>,
    method: &'static Method,
    options: Option<CallOptions>,
    ticket: Option<Ticket>,
    phase: Phase,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has no place yet.
    Asked,
    /// The plugin was asked.
    Begun,
    Over,
}

impl Call {
    pub(super) fn new(tenure: &Arc<Tenure>, method: &'static Method, options: Option<CallOptions>) -> Self {
        add(&tenure.counters.calls);
        let options = tenure.gate.options(method, options);
        Self { tenure: tenure.clone(), method, options, ticket: None, phase: Phase::Asked }
    }

    /// The options under which it is made.
    pub(super) fn options(&self) -> Option<&CallOptions> {
        self.options.as_ref()
    }

    /// Waits until it may be made.
    pub(super) async fn begin(&mut self) -> Result<Flight, CallError> {
        self.ticket = self.tenure.gate.admit().inspect_err(|error| self.refuse(error))?;
        let place = self.tenure.gate.enter(self.method, self.deadline()).await;
        let place = place.inspect_err(|error| self.refuse(error))?;
        self.phase = Phase::Begun;
        Ok(Flight::begin(&self.tenure.counters, place))
    }

    /// Counts what came of it. It is in flight until its stream ends, if it has one.
    pub(super) fn end(mut self, flight: Flight, result: Result<Parcel, Error>) -> Result<Parcel, Error> {
        self.phase = Phase::Over;
        let counters = &self.tenure.counters;
        match &result {
            Err(Error::Call(_)) => add(&counters.errors),
            Ok(_) => counters.latency.record(flight.begun.elapsed()),
            Err(Error::Plugin(_)) => {
                add(&counters.failures);
                counters.latency.record(flight.begun.elapsed());
            }
        }
        self.settle(Verdict::of(&result));
        match result {
            Ok(parcel) if parcel.parts.iter().any(|(_, part)| matches!(part, Part::Stream(_))) => {
                Ok(parcel.holding(&Arc::new(flight)))
            }
            result => result,
        }
    }

    /// Counts that it is not made.
    fn refuse(&mut self, error: &CallError) {
        self.phase = Phase::Over;
        let counters = &self.tenure.counters;
        add(&counters.errors);
        if matches!(error, CallError::Busy { .. } | CallError::Tripped { .. }) {
            add(&counters.rejected);
        }
        self.settle(Verdict::Unknown);
    }

    fn settle(&mut self, verdict: Verdict<'_>) {
        let Some(ticket) = self.ticket.take() else { return };
        let plugin = &*self.tenure.plugin;
        match self.tenure.gate.settle(ticket, verdict) {
            Some(Circuit::Open) => {
                tracing::warn!(plugin, "it does not answer, and is not called for a while")
            }
            Some(_) => tracing::info!(plugin, "it answers again"),
            None => {}
        }
    }

    /// When it is too late for an answer.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.options().and_then(CallOptions::expires_at)
    }
}

/// Whoever polls a call may see its deadline before the channel does, and drops it then.
impl Drop for Call {
    fn drop(&mut self) {
        let is_late = self.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if is_late && self.phase != Phase::Over {
            add(&self.tenure.counters.errors);
        }
        match self.phase {
            Phase::Begun if is_late => {
                let error = CallError::DeadlineExceeded { method: self.method.path.to_owned() };
                self.settle(Verdict::DoesNotAnswer(&error));
            }
            _ => self.settle(Verdict::Unknown),
        }
    }
}

/// That a call is in flight, and has a place among those that may be.
#[derive(Debug)]
pub(super) struct Flight {
    counters: Arc<Counters>,
    begun: Instant,
    #[expect(dead_code, reason = "held")]
    place: Option<OwnedSemaphorePermit>,
}

impl Flight {
    fn begin(counters: &Arc<Counters>, place: Option<OwnedSemaphorePermit>) -> Self {
        add(&counters.in_flight);
        Self { counters: counters.clone(), begun: Instant::now(), place }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        subtract(&self.counters.in_flight);
    }
}

//! Counts the calls of one plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jackfield_core::{CallOptions, Error, Parcel, Part};

use super::histogram::Histogram;
use super::stats::Stats;

/// What was counted of one plugin, since it was loaded. Nobody waits for anybody here.
#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: AtomicU64,
    errors: AtomicU64,
    failures: AtomicU64,
    in_flight: AtomicU64,
    restarts: AtomicU64,
    latency: Histogram,
}

impl Counters {
    pub(super) fn restarted(&self) {
        add(&self.restarts);
    }

    pub(super) fn stats(&self, generation: u64, memory: Option<u64>) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [p50, p99] = self.latency.quantiles([0.5, 0.99]);
        Stats {
            calls: read(&self.calls),
            errors: read(&self.errors),
            failures: read(&self.failures),
            generation,
            in_flight: read(&self.in_flight),
            memory,
            p50,
            p99,
            restarts: read(&self.restarts),
        }
    }
}

/// A call that has begun. Dropped before its end, it was given up.
#[derive(Debug)]
pub(super) struct Call {
    flight: Option<Flight>,
    begun: Instant,
    deadline: Option<Instant>,
}

impl Call {
    pub(super) fn begin(counters: &Arc<Counters>, options: Option<&CallOptions>) -> Self {
        let deadline = options.and_then(CallOptions::expires_at);
        Self { flight: Some(Flight::begin(counters)), begun: Instant::now(), deadline }
    }

    /// Counts what came of the call, which is in flight until its stream ends, if it has one.
    pub(super) fn end(mut self, result: Result<Parcel, Error>) -> Result<Parcel, Error> {
        let Some(flight) = self.flight.take() else { return result };
        let counters = &flight.0;
        match &result {
            Err(Error::Call(_)) => add(&counters.errors),
            Ok(_) => counters.latency.record(self.begun.elapsed()),
            Err(Error::Plugin(_)) => {
                add(&counters.failures);
                counters.latency.record(self.begun.elapsed());
            }
        }
        match result {
            Ok(parcel) if parcel.parts.iter().any(|(_, part)| matches!(part, Part::Stream(_))) => {
                Ok(parcel.holding(&Arc::new(flight)))
            }
            result => result,
        }
    }
}

/// Whoever polls a call may see its deadline before the channel does, and drops it then.
impl Drop for Call {
    fn drop(&mut self) {
        if let (Some(flight), Some(deadline)) = (&self.flight, self.deadline)
            && Instant::now() >= deadline
        {
            add(&flight.0.errors);
        }
    }
}

/// That a call is in flight.
#[derive(Debug)]
struct Flight(Arc<Counters>);

impl Flight {
    fn begin(counters: &Arc<Counters>) -> Self {
        add(&counters.calls);
        add(&counters.in_flight);
        Self(counters.clone())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

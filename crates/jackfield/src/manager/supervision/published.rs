//! Publishes the figures of plugins through the facade of the crate `metrics`.

use std::sync::atomic::Ordering;

use super::breaker::Circuit;
use super::histogram::middle;
use super::stats::Stats;
use super::supervisor::{Supervisor, lock};
use crate::manager::Manager;
use crate::registry::Entry;

/// What of a plugin's figures was published.
#[derive(Debug, Default)]
pub(super) struct Published {
    counts: [u64; COUNTERS.len()],
    /// How often each time was.
    times: Vec<u64>,
}

impl Manager {
    /// Publishes what was counted since this was called last, to whatever recorder of the crate `metrics` this host has
    /// installed. A host calls it as often as it wants its figures to be fresh, such as whenever they are fetched; calls
    /// of plugins know nothing of it.
    ///
    /// Each figure has the label `plugin`. They are those of [`Stats`]: the counters `jackfield_calls_total`,
    /// `jackfield_errors_total`, `jackfield_failures_total`, `jackfield_rejected_total` and `jackfield_restarts_total`; the
    /// histogram `jackfield_call_duration_seconds`, of answers, within 3 %; and the gauges `jackfield_calls_in_flight`,
    /// `jackfield_calls_waiting`, `jackfield_generation` and, where they are known, `jackfield_memory_bytes` and
    /// `jackfield_circuit_closed`, which is 1 or 0. What was counted of a plugin after the last time before it was unloaded
    /// is not published.
    ///
    /// ```
    /// # let manager = jackfield::Manager::new();
    /// manager.publish_metrics();
    /// ```
    pub fn publish_metrics(&self) {
        for plugin in self.names() {
            // One that was unloaded meanwhile is left out.
            let Ok(Entry { extra: control, .. }) = self.shared.registry.find(&plugin) else { continue };
            control.supervisor.publish(plugin.as_str(), control.generation.load(Ordering::Relaxed));
        }
    }
}

impl Supervisor {
    fn publish(&self, plugin: &str, generation: u64) {
        // Two at once would publish the same twice.
        let mut published = lock(&self.published);
        let stats = self.stats(generation);
        let counts = [stats.calls, stats.errors, stats.failures, stats.rejected, stats.restarts];
        for ((name, count), before) in COUNTERS.into_iter().zip(counts).zip(&mut published.counts) {
            let label = plugin.to_owned();
            metrics::counter!(name, "plugin" => label)
                .increment(count.saturating_sub(std::mem::replace(before, count)));
        }
        let times = metrics::histogram!("jackfield_call_duration_seconds", "plugin" => plugin.to_owned());
        let counts = self.counters.latency.counts();
        published.times.resize(counts.len(), 0);
        for (bucket, (count, before)) in counts.into_iter().zip(&mut published.times).enumerate() {
            let new = count.saturating_sub(std::mem::replace(before, count));
            if new > 0 {
                times.record_many(middle(bucket).as_secs_f64(), new as usize);
            }
        }
        gauges(plugin, &stats);
    }
}

fn gauges(plugin: &str, stats: &Stats) {
    let closed = stats.circuit.map(|circuit| f64::from(u8::from(circuit == Circuit::Closed)));
    for (name, value) in [
        ("jackfield_calls_in_flight", Some(stats.in_flight as f64)),
        ("jackfield_calls_waiting", Some(stats.waiting as f64)),
        ("jackfield_circuit_closed", closed),
        ("jackfield_generation", Some(stats.generation as f64)),
        ("jackfield_memory_bytes", stats.memory.map(|bytes| bytes as f64)),
    ] {
        if let Some(value) = value {
            metrics::gauge!(name, "plugin" => plugin.to_owned()).set(value);
        }
    }
}

/// In the order of what is counted under them.
const COUNTERS: [&str; 5] = [
    "jackfield_calls_total",
    "jackfield_errors_total",
    "jackfield_failures_total",
    "jackfield_rejected_total",
    "jackfield_restarts_total",
];

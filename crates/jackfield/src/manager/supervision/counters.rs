//! What is counted of one plugin.

use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::Histogram;

/// What was counted of one plugin, since it was loaded. Nobody waits for anybody here.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) calls: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) latency: Histogram,
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn subtract(counter: &AtomicU64) {
    counter.fetch_sub(1, Ordering::Relaxed);
}

pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

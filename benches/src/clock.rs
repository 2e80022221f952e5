//! Times calls that are too short for one look at the clock each.

use std::time::{Duration, Instant};

/// How long a call takes on each of two sides, in nanoseconds: medians of batches that take turns for `duration`.
///
/// A side makes as many calls as it is told.
pub fn alternate(duration: Duration, mut ours: impl FnMut(u64), mut peer: impl FnMut(u64)) -> (f64, f64) {
    let sizes = (batch_size(&mut ours), batch_size(&mut peer));
    let (mut ours_ns, mut peer_ns) = (Vec::new(), Vec::new());
    let began = Instant::now();
    while began.elapsed() < duration {
        ours_ns.push(ns_per_call(&mut ours, sizes.0));
        peer_ns.push(ns_per_call(&mut peer, sizes.1));
    }
    (median(ours_ns), median(peer_ns))
}

/// How long a call takes in each of the batches that fit into `duration`, in nanoseconds.
pub fn batches(duration: Duration, mut calls: impl FnMut(u64)) -> Vec<f64> {
    let size = batch_size(&mut calls);
    let began = Instant::now();
    let mut ns = Vec::new();
    while began.elapsed() < duration {
        ns.push(ns_per_call(&mut calls, size));
    }
    ns
}

/// How long each of `count` calls takes, in nanoseconds.
pub fn ns_per_call(mut calls: impl FnMut(u64), count: u64) -> f64 {
    let before = Instant::now();
    calls(count);
    before.elapsed().as_nanos() as f64 / count as f64
}

/// The middle one, or zero if there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// As many calls as take about [`BATCH`], which also warms them up.
fn batch_size(mut calls: impl FnMut(u64)) -> u64 {
    let mut count = 1;
    loop {
        // The shortest of some, since a single one may have been interrupted.
        let times = (0..5).map(|_| ns_per_call(&mut calls, count) * count as f64);
        if times.fold(f64::INFINITY, f64::min) >= BATCH.as_nanos() as f64 {
            return count;
        }
        count *= 2;
    }
}

/// Far longer than a look at the clock, far shorter than a slice of the scheduler.
const BATCH: Duration = Duration::from_micros(100);

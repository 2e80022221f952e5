//! How long things take, in buckets that are as wide as their value needs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often something took how long. Whoever records waits for nobody.
///
/// Up to 15 ns each nanosecond has a bucket of its own; from there on, each doubling has 16. So what is read is at most
/// 1/32 away from what was recorded, up to 73 minutes, which stand for all that is longer.
pub(super) struct Histogram([AtomicU64; BUCKETS]);

impl Histogram {
    pub(super) fn record(&self, time: Duration) {
        self.0[bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each bucket was.
    pub(super) fn counts(&self) -> Vec<u64> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// How long so large a part of what was recorded took at most, for each of these parts; nothing if nothing was
    /// recorded. They are in order, and of the same moment, as far as others record meanwhile.
    pub(super) fn quantiles<const N: usize>(&self, parts: [f64; N]) -> [Option<Duration>; N] {
        let counts = self.counts();
        let all: u64 = counts.iter().sum();
        parts.map(|part| {
            let rank = ((part * all as f64).ceil() as u64).max(1);
            let sums = counts.iter().scan(0, |sum, count| {
                *sum += count;
                Some(*sum)
            });
            sums.into_iter().position(|sum| sum >= rank).map(middle)
        })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.quantiles([0.5, 0.99])).finish()
    }
}

fn bucket(time: Duration) -> usize {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(LONGEST);
    let Some(doublings) = nanoseconds.checked_ilog2().and_then(|log| log.checked_sub(STEPS_LOG)) else {
        return nanoseconds as usize;
    };
    // The steps of a doubling begin with the bucket of its first value.
    (doublings as usize) * STEPS + (nanoseconds >> doublings) as usize
}

/// The middle of a bucket.
pub(super) fn middle(bucket: usize) -> Duration {
    let doublings = (bucket / STEPS).saturating_sub(1);
    let first = ((bucket - doublings * STEPS) as u64) << doublings;
    Duration::from_nanos(first + (1 << doublings) / 2)
}

/// How many buckets each doubling has, and of which power of two that is.
const STEPS: usize = 1 << STEPS_LOG;
const STEPS_LOG: u32 = 4;
/// The last nanosecond that is told from longer times.
const LONGEST: u64 = (1 << LONGEST_LOG) - 1;
const LONGEST_LOG: u32 = 42;
/// One for each step of each doubling that is left, and those below the first.
const BUCKETS: usize = ((LONGEST_LOG - STEPS_LOG) as usize + 1) * STEPS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_close_to_what_was_recorded() {
        let mut nanoseconds = 1_u64;
        while nanoseconds < LONGEST {
            for time in [nanoseconds - 1, nanoseconds, nanoseconds + nanoseconds / 3] {
                let read = middle(bucket(Duration::from_nanos(time))).as_nanos() as u64;
                assert!(read.abs_diff(time) * 32 <= time, "{time} ns was read as {read} ns");
            }
            nanoseconds *= 2;
        }
    }

    #[test]
    fn buckets_are_in_the_order_of_their_times() {
        for bucket in 0..BUCKETS {
            assert_eq!(super::bucket(middle(bucket)), bucket);
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn half_of_them_are_below_the_median() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantiles([0.5, 0.99]), [None, None]);
        for milliseconds in 1..=100 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let [median, high] = histogram.quantiles([0.5, 0.99]);
        for (found, expected) in [(median, 50.0), (high, 99.0)] {
            let found = found.expect("recorded").as_secs_f64() * 1e3;
            assert!((found / expected - 1.0).abs() < 1.0 / 32.0, "{found} ms, expected {expected} ms");
        }
    }
}

//! When a plugin that ended by itself is started again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often, and after which pauses, a plugin that ended by itself is started again.
///
/// The pause doubles with each failure, up to [`longest_delay`](Self::longest_delay), and begins anew once a plugin has
/// held out for a [`window`](Self::window). Each one is drawn between its half and the whole, so that plugins that
/// failed together do not come back together.
///
/// ```
/// use std::time::Duration;
/// use jackfield::Restart;
///
/// let mut restart = Restart::default();
/// restart.failures = 20;
/// restart.window = Duration::from_secs(600);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restart {
    /// The pause after the first failure; 100 ms by default.
    pub first_delay: Duration,
    /// The longest pause; 30 s by default.
    pub longest_delay: Duration,
    /// With how many failures within a window a plugin is given up; 5 by default. With 1 it is never restarted.
    pub failures: u32,
    /// The time within which failures are counted; a minute by default.
    pub window: Duration,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(30),
            failures: 5,
            window: Duration::from_secs(60),
        }
    }
}

impl Restart {
    /// Why a plugin is given up.
    pub(crate) fn given_up(&self) -> String {
        format!("it failed {} times within {:?}, and is not restarted any more", self.failures, self.window)
    }
}

/// The failures of one plugin, and what follows from them. It is told the time, and has no clock.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: Restart,
    recent: VecDeque<Instant>,
    /// The failures in a row, and when a next one would no longer be in that row.
    row: u32,
    row_ends: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(policy: Restart) -> Self {
        Self { policy, recent: VecDeque::new(), row: 0, row_ends: None }
    }

    /// Counts a failure. Returns the pause before the next start, or nothing if the plugin is given up.
    pub(crate) fn failed(&mut self, now: Instant, random: u64) -> Option<Duration> {
        let Restart { first_delay, longest_delay, failures, window } = self.policy;
        self.recent.retain(|failure| now.saturating_duration_since(*failure) < window);
        self.recent.push_back(now);
        if self.recent.len() >= failures as usize {
            return None;
        }
        if self.row_ends.is_none_or(|end| end <= now) {
            self.row = 0;
        }
        let doubled = first_delay.saturating_mul(2_u32.saturating_pow(self.row));
        let half = doubled.min(longest_delay) / 2;
        let delay = half + half.mul_f64(random as f64 / u64::MAX as f64);
        self.row += 1;
        // The pause itself is no time in which the plugin held out.
        self.row_ends = now.checked_add(window.saturating_add(delay));
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = u64::MAX;

    #[test]
    fn the_pause_doubles_up_to_the_longest() {
        let policy = Restart { failures: 100, ..Restart::default() };
        let mut backoff = Backoff::new(policy);
        let mut now = Instant::now();
        let mut delays = Vec::new();
        for _ in 0..11 {
            let delay = backoff.failed(now, FULL).expect("not given up");
            delays.push(delay.as_millis());
            now += delay;
        }
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn a_pause_is_between_its_half_and_the_whole() {
        let delay = |random| Backoff::new(Restart::default()).failed(Instant::now(), random);
        assert_eq!(delay(0), Some(Duration::from_millis(50)));
        assert_eq!(delay(FULL), Some(Duration::from_millis(100)));
        let middle = delay(FULL / 2).expect("not given up");
        assert!(middle > Duration::from_millis(74) && middle < Duration::from_millis(76), "{middle:?}");
    }

    #[test]
    fn the_fifth_failure_within_the_window_is_the_last() {
        let mut backoff = Backoff::new(Restart::default());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..4).all(|second| backoff.failed(at(second), FULL).is_some()));
        assert_eq!(backoff.failed(at(4), FULL), None);
        assert!(backoff.failed(at(65), FULL).is_some(), "the others are long past");
    }

    #[test]
    fn a_plugin_that_held_out_begins_with_the_first_pause() {
        let mut backoff = Backoff::new(Restart::default());
        let start = Instant::now();
        let first = backoff.failed(start, FULL);
        assert_ne!(backoff.failed(start + Duration::from_secs(30), FULL), first);
        assert_eq!(backoff.failed(start + Duration::from_secs(100), FULL), first);
    }
}

//! What the rounds come to.

use std::collections::BTreeMap;

use super::keys::{Bound, Key};
use super::turns::Turns;

/// All keys that were asked for: measured, or missing with the reason.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) measured: Vec<Measured>,
    pub(crate) missing: BTreeMap<&'static str, String>,
}

impl Results {
    /// Adds the keys that were measured.
    pub(crate) fn read(&mut self, keys: &[Key], turns: &Turns<'_>) {
        for key in keys {
            let ours = turns.numbers(&key.ours);
            let peer = key.peer.map(|peer| turns.numbers(&peer.source)).transpose();
            match (ours, peer) {
                (Ok(ours), Ok(peer)) => {
                    let (ours, peer) = (Sample::new(ours), peer.map(Sample::new));
                    self.measured.push(Measured { key: *key, ours, peer });
                }
                (Err(reason), _) | (_, Err(reason)) => {
                    self.missing.insert(key.name, reason);
                }
            }
        }
    }
}

/// One key that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) key: Key,
    pub(crate) ours: Sample,
    pub(crate) peer: Option<Sample>,
}

impl Measured {
    /// Ours divided by the peer's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().map(|peer| self.ours.median / peer.median)
    }

    /// The most (or, of a rate, the least) that ours may be.
    pub(crate) fn limit(&self) -> Option<f64> {
        let peer = self.peer.as_ref().map(|peer| peer.median);
        match self.key.bound {
            Bound::AtLeastTimes(factor) | Bound::AtMostTimes(factor) => Some(factor * peer?),
            Bound::AtMost(limit) => Some(limit),
            Bound::AtMostAbove(more) => Some(peer? + more),
            Bound::None => None,
        }
    }

    /// Whether the bound holds, when it may be missed by this part of itself. `None` if there is no bound.
    pub(crate) fn holds(&self, tolerance: f64) -> Option<bool> {
        let limit = self.limit()?;
        Some(match self.key.bound {
            Bound::AtLeastTimes(_) => self.ours.median >= limit / (1.0 + tolerance),
            _ => self.ours.median <= limit * (1.0 + tolerance),
        })
    }
}

/// The numbers of all rounds.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) rounds: Vec<f64>,
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Sample {
    fn new(rounds: Vec<f64>) -> Self {
        let median = median(&rounds).unwrap_or(f64::NAN);
        let lowest = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { rounds, median, lowest, highest }
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let is_odd = sorted.len() % 2 == 1;
    Some(if is_odd { upper } else { f64::midpoint(sorted[sorted.len() / 2 - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::keys::KEYS;

    fn measured(bound: Bound, ours: f64, peer: f64) -> Measured {
        let key = Key { bound, ..KEYS[0] };
        Measured { key, ours: Sample::new(vec![ours]), peer: Some(Sample::new(vec![peer])) }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_bound_holds_or_not() {
        assert_eq!(measured(Bound::AtMostTimes(2.5), 2.4, 1.0).holds(0.0), Some(true));
        assert_eq!(measured(Bound::AtMostTimes(2.5), 2.6, 1.0).holds(0.0), Some(false));
        assert_eq!(measured(Bound::AtMostTimes(2.5), 2.6, 1.0).holds(0.25), Some(true));
        assert_eq!(measured(Bound::AtLeastTimes(1.5), 1.4, 1.0).holds(0.0), Some(false));
        assert_eq!(measured(Bound::AtLeastTimes(1.5), 1.4, 1.0).holds(0.25), Some(true));
        assert_eq!(measured(Bound::AtMost(0.0), 1.0, 1.0).holds(0.25), Some(false));
        assert_eq!(measured(Bound::AtMostAbove(1.0), 1.7, 0.8).holds(0.0), Some(true));
        assert_eq!(measured(Bound::AtMostAbove(1.0), 1.9, 0.8).holds(0.0), Some(false));
        assert_eq!(measured(Bound::None, 1.0, 1.0).holds(0.0), None);
    }
}

//! How long a call takes.

use std::time::{Duration, Instant};

use anyhow::ensure;
use probe_interface::Probe as _;

use super::{Cell, Mechanism, probe};

/// The median of many calls is told; what is kept is only the unit in which the fastest of them is counted.
pub(in super::super) async fn call(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (_manager, probe) = probe(mechanism).await?;
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        let sum = probe.add_async(20, 22).await?;
        took.push(begun.elapsed());
        ensure!(sum == 42, "it answers {sum}");
    }
    took.sort_unstable();
    let kept = if took[0] < SWITCH { "nanoseconds" } else { "microseconds" };
    Ok(Cell::new(kept, format!("{:.1?}", took[CALLS / 2])))
}

const CALLS: usize = 1000;
/// A call to another process waits for that to be woken, and to wake it in turn, which takes longer than this. Of a
/// thousand calls within a process one is faster, however busy the machine.
const SWITCH: Duration = Duration::from_micros(20);

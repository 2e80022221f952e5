//! Updates of a library while four threads call it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use jackfield::{Candidate, Handle, Unloaded};
use probe_interface::Probe;
use serde_json::{Value, json};

use crate::Host;

/// Updates `count` times between two libraries. Before that, the same two are loaded as often under another name,
/// which shows what the load itself does to callers.
pub(crate) fn update(host: &Host, paths: [&str; 2], count: usize) -> anyhow::Result<Value> {
    let libraries = paths.map(|path| host.backend.library(path));
    let candidate = |round: usize| -> &dyn Candidate { &libraries[round % 2] };
    let probe: Handle<dyn Probe> = host.runtime.block_on(host.manager.load("probe", candidate(0)))?;
    let (load, result) = while_called(&probe, || {
        (1..=count).try_for_each(|round| {
            let other = host.manager.load::<dyn Probe>("other", candidate(round));
            drop(host.runtime.block_on(other)?);
            host.runtime.block_on(host.manager.unload("other"))?;
            anyhow::Ok(())
        })
    });
    result?;
    let (swap, result) = while_called(&probe, || {
        (1..=count).try_for_each(|round| {
            let reloaded = host.runtime.block_on(host.manager.reload("probe", candidate(round)))?;
            ensure!(reloaded.is_drained && reloaded.old == Unloaded::Unmapped, "round {round}: {reloaded:?}");
            Ok(())
        })
    });
    result?;
    ensure!(Handle::generation(&probe) == count as u64 + 1, "it was not updated as often");
    Ok(json!({
        "calls": swap.calls,
        "failed": swap.failed,
        "stall_ms": milliseconds(swap.stall),
        "wall_stall_ms": milliseconds(swap.wall_stall),
        "load_stall_ms": milliseconds(load.stall),
        "load_wall_stall_ms": milliseconds(load.wall_stall),
    }))
}

/// What callers saw.
#[derive(Default)]
struct Seen {
    calls: u64,
    failed: u64,
    /// The longest time between two answers in which the caller was not waiting for a core.
    stall: Duration,
    /// The longest time between two answers.
    wall_stall: Duration,
}

fn while_called<T>(probe: &Handle<dyn Probe>, act: impl FnOnce() -> T) -> (Seen, T) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| call_until(probe, &stop))).collect();
        let result = act();
        stop.store(true, Ordering::Relaxed);
        let seen = callers.into_iter().map(|caller| caller.join().expect("a caller does not panic"));
        let all = seen.fold(Seen::default(), |all, one| Seen {
            calls: all.calls + one.calls,
            failed: all.failed + one.failed,
            stall: all.stall.max(one.stall),
            wall_stall: all.wall_stall.max(one.wall_stall),
        });
        (all, result)
    })
}

fn call_until(probe: &Handle<dyn Probe>, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut queued = time_in_queue();
    let mut before = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let is_right = matches!(probe.version(), Ok(1 | 2)) && matches!(probe.add(20, 22), Ok(42));
        seen.calls += 2;
        seen.failed += u64::from(!is_right);
        let after = Instant::now();
        let stall = after - before;
        before = after;
        if stall > LOOK {
            let now_queued = time_in_queue();
            seen.stall = seen.stall.max(stall.saturating_sub(now_queued - queued));
            seen.wall_stall = seen.wall_stall.max(stall);
            queued = now_queued;
            before = Instant::now();
        }
    }
    seen
}

/// How long this thread was ready but had no core. On a machine with fewer cores than threads that is most of every
/// stall, with updates or without.
fn time_in_queue() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split_whitespace().nth(1).and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or_default())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

const THREADS: usize = 4;
/// Shorter stalls are not looked at.
const LOOK: Duration = Duration::from_micros(50);

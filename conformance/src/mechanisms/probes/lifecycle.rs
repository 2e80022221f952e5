//! A plugin is loaded, replaced and unloaded while the host runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::ensure;
use jackfield::{CallError, Error, Handle, Unloaded};
use jackfield_fixtures::Stop;
use probe_interface::Probe;
use tokio::task::JoinSet;

use super::{Cell, Mechanism, probe};

/// It is replaced by its other version and back, while two tasks call it.
pub(in super::super) async fn update(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (manager, probe) = probe(mechanism).await?;
    let (stop, made) = (Arc::new(Stop::default()), Arc::new(AtomicU64::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..2 {
        callers.spawn(call_until(probe.clone(), stop.clone(), made.clone()));
    }
    let stopping = stop.when_dropped();
    for round in 0..10 {
        let (fixture, version) = if round % 2 == 0 { ("probe-two", 2) } else { ("probe-one", 1) };
        let reloaded = manager.reload("probe", &*mechanism.candidate(fixture)).await?;
        ensure!(reloaded.is_drained, "calls of the old one did not end");
        ensure!(probe.version()? == version, "the old one answers still");
        // A swap may be faster than a call.
        let before = made.load(Ordering::Relaxed);
        while made.load(Ordering::Relaxed) < before + CALLS_BETWEEN {
            if let Some(ended) = callers.try_join_next() {
                ended??;
            }
            tokio::task::yield_now().await;
        }
    }
    drop(stopping);
    callers.join_all().await.into_iter().collect::<anyhow::Result<()>>()?;
    let calls = made.load(Ordering::Relaxed);
    Ok(Cell::new("no call fails", format!("{calls} calls, none fails")))
}

/// Counts calls, of which none may fail.
async fn call_until(probe: Handle<dyn Probe>, stop: Arc<Stop>, made: Arc<AtomicU64>) -> anyhow::Result<()> {
    while !stop.is_told() {
        let sum = probe.add_async(20, 22).await?;
        ensure!(sum == 42, "it answers {sum}");
        made.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// How many calls are made at least after each update.
const CALLS_BETWEEN: u64 = 10;

/// Unloaded, it answers no more, and nothing is left of it.
pub(in super::super) async fn offline(mechanism: Mechanism) -> anyhow::Result<Cell> {
    let (manager, probe) = probe(mechanism).await?;
    ensure!(probe.version()? == 1, "another one answers");
    let unloaded = manager.unload("probe").await?;
    let answer = probe.version();
    ensure!(matches!(answer, Err(Error::Call(CallError::Closed { .. }))), "it answers {answer:?}");
    ensure!(manager.get::<dyn Probe>("probe").is_err(), "it is there still");
    let kept = match &unloaded {
        Unloaded::Dropped => "dropped",
        Unloaded::Exited { .. } => "its process has ended",
        Unloaded::Unmapped => "unmapped",
        other => anyhow::bail!("it is {other}"),
    };
    Ok(Cell::new(kept, unloaded.to_string()))
}

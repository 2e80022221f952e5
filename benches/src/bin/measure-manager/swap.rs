//! A hundred swaps while somebody calls without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::ensure;
use jackfield::{Candidate, Handle, Manager};
use jackfield_benches::Client;
use kv_interface::Kv;
use probe_interface::Probe;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// What callers saw.
#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
}

impl Seen {
    /// Adds a call, if this is what it should answer.
    fn add<V: PartialEq>(&self, answer: Option<V>, expected: V) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(answer != Some(expected)), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether as many calls were made as belong to so many swaps.
    fn has_made(&self, calls: u64, swaps: u64) -> bool {
        self.calls.load(Ordering::Relaxed) * SWAPS >= calls * swaps
    }

    fn report(&self) -> Value {
        json!({
            "calls": self.calls.load(Ordering::Relaxed),
            "failed": self.failed.load(Ordering::Relaxed),
            "swaps": SWAPS,
        })
    }
}

/// Two plugins in this process take turns, at least `calls` calls long.
pub(crate) fn native(runtime: &Runtime, plugins: [&dyn Candidate; 2], calls: u64) -> anyhow::Result<Value> {
    let manager = Manager::new();
    let probe: Handle<dyn Probe> = runtime.block_on(manager.load("probe", plugins[0]))?;
    let seen = Seen::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !seen.is_over() {
                    seen.add(probe.add(20, 22).ok(), 42);
                }
            });
        }
        let swapped = (1..=SWAPS).try_for_each(|swap| {
            while !seen.has_made(calls, swap) {
                std::thread::yield_now();
            }
            let reloaded = runtime.block_on(manager.reload("probe", plugins[swap as usize % 2]))?;
            ensure!(reloaded.is_drained, "swap {swap} was not drained");
            Ok(())
        });
        seen.stop.store(true, Ordering::Relaxed);
        swapped
    })?;
    runtime.block_on(manager.unload("probe"))?;
    Ok(seen.report())
}

/// The same program is started again and again, at least `calls` calls long.
pub(crate) async fn process(candidate: &dyn Candidate, calls: u64) -> anyhow::Result<Value> {
    let manager = Manager::new();
    let kv: Handle<dyn Kv> = manager.load("kv", candidate).await?;
    let seen = Arc::new(Seen::default());
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (kv, seen) = (kv.clone(), seen.clone());
        callers.spawn(async move {
            while !seen.is_over() {
                seen.add(Client::get(&kv, "16".to_owned()).await.ok().map(|value| value.len()), 16);
            }
        });
    }
    for swap in 1..=SWAPS {
        while !seen.has_made(calls, swap) {
            tokio::task::yield_now().await;
        }
        let reloaded = manager.reload("kv", candidate).await?;
        ensure!(reloaded.is_drained, "swap {swap} was not drained");
    }
    seen.stop.store(true, Ordering::Relaxed);
    while let Some(joined) = callers.join_next().await {
        joined?;
    }
    manager.unload("kv").await?;
    Ok(seen.report())
}

const CALLERS: usize = 32;
const SWAPS: u64 = 100;

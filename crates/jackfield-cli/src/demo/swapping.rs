//! Plugins are replaced while threads call them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use jackfield::{Candidate, Handle, Manager, ReloadError};
use kv_interface::Kv;

/// How many calls there were, and how many of them failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    made: u64,
    failed: u64,
}

impl Calls {
    pub(super) fn add(&mut self, more: Self) {
        self.made += more.made;
        self.failed += more.failed;
    }

    /// None may fail.
    pub(super) fn check(self) -> anyhow::Result<String> {
        let Self { made, failed } = self;
        ensure!(failed == 0 && made > 0, "{failed} of {made} calls failed");
        Ok(format!("{made} calls, {failed} failed"))
    }
}

/// Reloads a plugin so many times, while four threads call it through one handle.
pub(super) async fn swap_under_load(
    manager: &Manager,
    (name, kv): (&str, &Handle<dyn Kv>),
    candidate: &dyn Candidate,
    times: u32,
) -> anyhow::Result<Calls> {
    let (stop, made, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let runtime = tokio::runtime::Handle::current();
    let reloads = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let result = runtime.block_on(kv.get("hello".into()));
                    made.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
                }
            });
        }
        let reloads = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                for _ in 0..times {
                    manager.reload(name, candidate).await?;
                    // A swap may be faster than a call.
                    let before = made.load(Ordering::Relaxed);
                    while made.load(Ordering::Relaxed) < before + CALLS_BETWEEN {
                        tokio::task::yield_now().await;
                    }
                }
                Ok::<_, ReloadError>(())
            })
        });
        stop.store(true, Ordering::Relaxed);
        reloads
    });
    reloads.with_context(|| format!("a reload of `{name}` failed"))?;
    Ok(Calls { made: made.into_inner(), failed: failed.into_inner() })
}

/// How many calls are made at least after each swap.
const CALLS_BETWEEN: u64 = 100;

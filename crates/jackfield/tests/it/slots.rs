//! Swapping under load, and draining.

use std::time::Duration;

use jackfield::{Candidate, Handle, Manager, Unloaded};
use jackfield_fixtures::Stop;
use probe_interface::Probe;

use crate::support::{libraries, native};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_a_library_is_swapped_a_hundred_times() {
    let libraries = libraries();
    let candidates =
        [native().library(libraries.library("probe-one")), native().library(libraries.library("probe-two"))];
    let manager = Manager::new();
    let probe = manager.load::<dyn Probe>("probe", &candidates[0]).await.expect("loaded");
    let stop = Stop::default();
    let mut seen = [0_u64; 2];
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = [0_u64; 2];
                    while !stop.is_told() {
                        let version = probe.version().expect("no call fails");
                        seen[version as usize - 1] += 1;
                        assert_eq!(probe.add(20, 22), Ok(42));
                    }
                    seen
                })
            })
            .collect();
        let stopping = stop.when_dropped();
        let swaps = async {
            for round in 1..=100 {
                let reloaded = manager.reload("probe", &candidates[round % 2]).await.expect("reloaded");
                assert!(reloaded.is_drained);
                assert_eq!(reloaded.old, Unloaded::Unmapped, "round {round}");
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(swaps));
        drop(stopping);
        for caller in callers {
            let mine = caller.join().expect("no caller panicked");
            seen[0] += mine[0];
            seen[1] += mine[1];
        }
    });
    assert_eq!(Handle::generation(&probe), 101);
    assert!(seen[0] > 0 && seen[1] > 0, "both versions answered: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_call_ends_on_the_generation_on_which_it_began() {
    let libraries = libraries();
    let one = native().library(libraries.library("probe-one"));
    let candidates: [&dyn Candidate; 2] = [&one, &probe_one::PLUGIN];
    for candidate in candidates {
        let manager = Manager::new();
        let probe = manager.load::<dyn Probe>("probe", candidate).await.expect("loaded");
        // The plugin's own view of itself, through which the old generation can still be reached.
        let old = Handle::current(&probe);
        let mut waiting = tokio::spawn({
            let probe = probe.clone();
            async move { probe.wait().await }
        });
        while std::future::poll_fn(|_| std::task::Poll::Ready(std::sync::Arc::strong_count(&old))).await < 3 {
            tokio::task::yield_now().await;
        }
        drop(old);
        let reload = tokio::spawn({
            let manager = manager.clone();
            async move { manager.reload("probe", &probe_two::PLUGIN).await }
        });
        while probe.version() != Ok(2) {
            tokio::task::yield_now().await;
        }
        assert!(!reload.is_finished(), "the old generation is drained first");
        assert!(futures_pending(&mut waiting).await);
        waiting.abort();
        let reloaded = reload.await.expect("no panic").expect("reloaded");
        assert!(reloaded.is_drained, "a call that was dropped is over");
    }
}

#[tokio::test]
async fn a_call_that_never_ends_is_left_behind_at_the_deadline() {
    let manager = Manager::builder().drain_deadline(Duration::from_millis(5)).build();
    let probe = manager.load::<dyn Probe>("probe", &probe_one::PLUGIN).await.expect("loaded");
    let mut waiting = Box::pin(probe.wait());
    assert!(futures_pending(&mut waiting).await);
    let reloaded = manager.reload("probe", &probe_two::PLUGIN).await.expect("reloaded");
    assert!(!reloaded.is_drained);
    assert_eq!(probe.version(), Ok(2));
    drop(waiting);
}

/// Whether a future is pending after one poll.
async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}

//! Calls through a handle, next to the same calls through a `dyn` of the host's own.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::ensure;
use jackfield::Handle;
use jackfield_benches::{alternate, batches, median};
use probe_interface::Probe;
use probe_one::TestProbe;
use serde_json::{Value, json};

/// A blocking method with two numbers.
pub(crate) fn blocking(handle: &Handle<dyn Probe>, duration: Duration) -> anyhow::Result<Value> {
    let local = local()?;
    check(handle)?;
    let (ours, peer) = alternate(duration, |calls| sum(handle, calls), |calls| sum(&*local, calls));
    Ok(json!({"handle_ns": ours, "dyn_ns": peer}))
}

/// The same on two threads at once, and on one.
pub(crate) fn contended(handle: &Handle<dyn Probe>, duration: Duration) -> anyhow::Result<Value> {
    let local = local()?;
    check(handle)?;
    let (mut one, mut two, mut two_dyn) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        one.extend(on_threads(1, duration / (3 * TURNS), |calls| sum(handle, calls)));
        two.extend(on_threads(2, duration / (3 * TURNS), |calls| sum(handle, calls)));
        two_dyn.extend(on_threads(2, duration / (3 * TURNS), |calls| sum(&*local, calls)));
    }
    Ok(json!({"one_ns": median(one), "two_ns": median(two), "two_dyn_ns": median(two_dyn)}))
}

/// Where a method that gives bytes away has them from.
#[derive(Clone, Copy)]
pub(crate) enum Buffer {
    /// A buffer that is filled for the call.
    Filled,
    /// One that all calls share.
    Shared,
}

/// A method that gives `size` bytes away.
pub(crate) fn get(
    handle: &Handle<dyn Probe>,
    duration: Duration,
    size: u64,
    buffer: Buffer,
) -> anyhow::Result<Value> {
    let local = local()?;
    ensure!(handle.bytes(size)? == local.filled(size)?, "the probe answers with other bytes");
    let (ours, peer) = alternate(
        duration,
        |calls| take(handle, calls, size, buffer),
        |calls| take(&*local, calls, size, buffer),
    );
    Ok(json!({"handle_ns": ours, "dyn_ns": peer}))
}

/// An asynchronous method that is ready at once.
pub(crate) fn asynchronous(handle: &Handle<dyn Probe>, duration: Duration) -> anyhow::Result<Value> {
    let local = local()?;
    check(handle)?;
    let (ours, peer) = alternate(duration, |calls| poll_sum(handle, calls), |calls| poll_sum(&*local, calls));
    Ok(json!({"handle_ns": ours, "dyn_ns": peer}))
}

/// The same probe, compiled into this program. The compiler must not learn which type it is.
fn local() -> anyhow::Result<Box<dyn Probe>> {
    let context = jackfield::Context::new("local", []);
    Ok(black_box(Box::new(TestProbe::open(&context)?)))
}

fn check(handle: &Handle<dyn Probe>) -> anyhow::Result<()> {
    ensure!(handle.add(19, 23)? == 42, "the probe adds wrongly");
    Ok(())
}

/// Each call needs the sum of the one before.
#[inline(never)]
fn sum<P: Probe + ?Sized>(probe: &P, calls: u64) {
    let mut sum = 0;
    for _ in 0..calls {
        sum = probe.add(sum, 1).unwrap_or(-1);
    }
    assert_eq!(sum as u64, calls, "a call failed");
}

#[inline(never)]
fn poll_sum<P: Probe + ?Sized>(probe: &P, calls: u64) {
    let mut context = Context::from_waker(Waker::noop());
    let mut sum = 0;
    for _ in 0..calls {
        sum = match pin!(probe.add_async(sum, 1)).poll(&mut context) {
            Poll::Ready(result) => result.unwrap_or(-1),
            Poll::Pending => -1,
        };
    }
    assert_eq!(sum as u64, calls, "a call failed");
}

#[inline(never)]
fn take<P: Probe + ?Sized>(probe: &P, calls: u64, size: u64, buffer: Buffer) {
    for _ in 0..calls {
        let taken = black_box(match buffer {
            Buffer::Filled => probe.filled(black_box(size)),
            Buffer::Shared => probe.bytes(black_box(size)),
        });
        assert!(taken.is_ok_and(|bytes| bytes.len() as u64 == size), "a call failed");
    }
}

/// What each batch of calls takes while this many threads make them.
fn on_threads(threads: usize, duration: Duration, calls: impl Fn(u64) + Sync) -> Vec<f64> {
    let together = Barrier::new(threads);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    batches(duration, &calls)
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("no call failed")).collect()
    })
}

/// How often one thread and two take turns.
const TURNS: u32 = 5;

//! Waits for a time, or for the first of two futures.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use jackfield_core::Timer;

/// Waits so long; for ever, if that is longer than the clock can tell.
pub(super) async fn sleep(timer: &dyn Timer, duration: Duration) {
    sleep_until(timer, Instant::now().checked_add(duration)).await;
}

/// Waits until a time; for ever, if there is none.
pub(crate) async fn sleep_until(timer: &dyn Timer, deadline: Option<Instant>) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    let mut alarm = None;
    std::future::poll_fn(|context| {
        if Instant::now() >= deadline {
            return Poll::Ready(());
        }
        alarm = Some(timer.wake_at(deadline, context.waker().clone()));
        Poll::Pending
    })
    .await;
    drop(alarm);
}

/// What the first of two futures gave.
pub(crate) enum First<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of two futures, and drops the other.
pub(crate) async fn first<A, B>(
    left: impl Future<Output = A>,
    right: impl Future<Output = B>,
) -> First<A, B> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    std::future::poll_fn(|context| {
        if let Poll::Ready(value) = left.as_mut().poll(context) {
            return Poll::Ready(First::Left(value));
        }
        right.as_mut().poll(context).map(First::Right)
    })
    .await
}

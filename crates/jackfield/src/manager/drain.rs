//! Waits until nobody uses a generation any more.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jackfield_core::Generation;
use tokio::sync::oneshot;

/// A generation that was replaced, with the shares that calls may still hold.
type Retired = jackfield_core::__private::Retired<Generation>;

/// Waits until the calls that began on these generations have ended, all of them by one deadline. Those that are leaving
/// are dropped by somebody else.
pub(super) async fn drain_all(
    retired: Vec<Retired>,
    leaving: Vec<Weak<Generation>>,
    deadline: Duration,
) -> bool {
    let retired = retired.into_iter().map(|retired| Drain::begin(retired, deadline));
    let leaving = leaving.into_iter().map(|leaving| Drain::watch(leaving, deadline));
    // All are begun before the first is waited for: whoever stops waiting leaves none behind that nobody drops.
    let drains: Vec<_> = retired.chain(leaving).collect();
    let mut is_drained = true;
    for drain in drains {
        is_drained &= drain.ended().await;
    }
    is_drained
}

/// The wait until the calls that began on a generation have ended. It goes on by itself.
///
/// Calls write nothing that others read, so their end cannot wake anybody: a thread looks after them, at first every
/// 20 µs, later every millisecond. It needs no runtime, and none is kept waiting.
#[derive(Debug)]
pub(super) struct Drain(Option<oneshot::Receiver<bool>>);

impl Drain {
    /// Begins to wait, and drops the generation once its calls have ended, however late.
    pub(super) fn begin(retired: Retired, deadline: Duration) -> Self {
        Self::wait(Busy::Entered(retired), deadline)
    }

    /// Begins to wait for calls whose generation somebody else drops.
    pub(super) fn watch(leaving: Weak<Generation>, deadline: Duration) -> Self {
        Self::wait(Busy::Leaving(leaving), deadline)
    }

    fn wait(busy: Busy, deadline: Duration) -> Self {
        let Err(busy) = busy.look() else { return Self(None) };
        let (done, wait) = oneshot::channel();
        let thread = std::thread::Builder::new().name("jackfield-drain".to_owned());
        // Without a thread the calls cannot be waited for; they still end on the generation on which they began.
        let _ = thread.spawn(move || {
            let left = poll(busy, Instant::now() + deadline.min(FOR_EVER), Duration::from_millis(1));
            let _ = done.send(left.is_none());
            // Nobody waits any more, but the last call that ends must find somebody who frees what it used.
            if let Some(busy @ (Busy::Entered(_) | Busy::Shared(_))) = left {
                poll(busy, Instant::now() + FOR_EVER, Duration::from_millis(50));
            }
        });
        Self(Some(wait))
    }

    /// Returns whether the calls ended in time.
    pub(super) async fn ended(self) -> bool {
        match self.0 {
            None => true,
            Some(wait) => wait.await.unwrap_or(false),
        }
    }
}

/// What is still in use: by a call that is running, by one that is pending, or by either, where somebody else looks.
enum Busy {
    Entered(Retired),
    Shared(Arc<Generation>),
    Leaving(Weak<Generation>),
}

impl Busy {
    /// Frees what is not in use any more.
    fn look(self) -> Result<(), Self> {
        match self {
            Self::Entered(retired) => try_drain(retired),
            Self::Shared(shared) => try_drop(shared),
            Self::Leaving(leaving) if leaving.strong_count() == 0 => Ok(()),
            Self::Leaving(leaving) => Err(Self::Leaving(leaving)),
        }
    }
}

fn try_drain(retired: Retired) -> Result<(), Busy> {
    match retired.into_arc() {
        Ok(shared) => try_drop(shared),
        Err(retired) => Err(Busy::Entered(retired)),
    }
}

fn try_drop(shared: Arc<Generation>) -> Result<(), Busy> {
    Arc::try_unwrap(shared).map(drop).map_err(Busy::Shared)
}

/// Waits until the deadline, and returns what is in use then.
fn poll(mut busy: Busy, deadline: Instant, longest_pause: Duration) -> Option<Busy> {
    let mut pause = Duration::from_micros(20);
    while Instant::now() < deadline {
        std::thread::sleep(pause);
        pause = (pause * 2).min(longest_pause);
        match busy.look() {
            Ok(()) => return None,
            Err(still) => busy = still,
        }
    }
    Some(busy)
}

/// As good as for ever: a hundred years.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

//! Keeps a thread awake for a moment where the next message is soon to come.
//!
//! Whoever sleeps has to be woken, and on a machine with idle cores that takes longer than all else that a small call
//! costs. So a thread whose messages come quickly one after the other looks for the next one itself, and sleeps once it
//! has not come in time. Between two looks it lets others have the core: a look is in nobody's way.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::yield_now;

/// For how long a thread stays awake for the next message; clones name the same. Zero lets it sleep at once.
#[derive(Debug, Clone)]
pub(crate) struct BusyPoll {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    nanoseconds: AtomicU64,
    /// Whether there is one core only: whoever writes the message needs it.
    is_alone: AtomicBool,
}

impl BusyPoll {
    /// For so long, unless there is one core only.
    pub(crate) fn new(limit: Duration) -> Self {
        let this = Self { shared: Arc::default() };
        this.set(limit);
        this
    }

    pub(crate) fn set(&self, limit: Duration) {
        // A second of nanoseconds fits.
        let nanoseconds = limit.min(Duration::from_secs(1)).as_nanos() as u64;
        self.shared.nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn limit(&self) -> Duration {
        if self.shared.is_alone.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.shared.nanoseconds.load(Ordering::Relaxed))
    }

    /// Keeps this thread awake: a task of its own, on a runtime of one thread.
    pub(crate) async fn run(self) {
        HERE.set(Some(Here { policy: Policy::default(), limit: self.clone(), task: None }));
        let _ended = End;
        poll_fn(sleep).await;
        // How many cores there are takes a while to find out: no thread begins with that.
        let is_alone = thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        self.shared.is_alone.store(is_alone, Ordering::Relaxed);
        loop {
            while with(|here| here.policy.is_soon(Instant::now(), here.limit.limit())) == Some(true) {
                // The runtime looks for what came.
                yield_now().await;
                thread::yield_now();
            }
            poll_fn(sleep).await;
        }
    }
}

impl Default for BusyPoll {
    fn default() -> Self {
        Self::new(LIMIT)
    }
}

/// Notes that a message came on this thread.
pub(crate) fn heard() {
    let woken = with(|here| {
        let limit = here.limit.limit();
        let stays_awake = !limit.is_zero() && here.policy.heard(Instant::now(), limit);
        stays_awake.then(|| here.task.take()).flatten()
    });
    if let Some(Some(task)) = woken {
        task.wake();
    }
}

/// What notes whatever is read of it.
#[cfg_attr(not(any(feature = "stdio", test)), expect(dead_code, reason = "only pipes are read so"))]
#[derive(Debug)]
pub(crate) struct Heard<R>(pub(crate) R);

impl<R: AsyncRead + Unpin> AsyncRead for Heard<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        if read.is_ready() {
            heard();
        }
        read
    }
}

/// Waits until this thread shall stay awake.
fn sleep(context: &mut Context<'_>) -> Poll<()> {
    let is_awake = with(|here| {
        here.task = Some(context.waker().clone());
        here.policy.is_awake
    });
    if is_awake == Some(true) { Poll::Ready(()) } else { Poll::Pending }
}

/// This thread's task.
struct Here {
    policy: Policy,
    limit: BusyPoll,
    task: Option<Waker>,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// Works on this thread's, if there is one: nothing else runs meanwhile.
fn with<T>(work: impl FnOnce(&mut Here) -> T) -> Option<T> {
    let worked = HERE.try_with(|here| here.borrow_mut().as_mut().map(work));
    // A thread that is about to end may still read.
    worked.ok().flatten()
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        let _gone = HERE.try_with(|here| here.take());
    }
}

/// When a thread stays awake. It is told the time.
#[derive(Debug, Default)]
struct Policy {
    last: Option<Instant>,
    is_awake: bool,
    /// How often in a row it was awake in vain.
    misses: u32,
    /// For how many messages that come quickly it sleeps all the same.
    skips: u32,
}

impl Policy {
    /// A message came. Whether the thread is to stay awake from now on.
    fn heard(&mut self, now: Instant, limit: Duration) -> bool {
        let last = self.last.replace(now);
        if self.is_awake {
            self.misses = 0;
            return false;
        }
        let is_quick = last.is_some_and(|last| now.saturating_duration_since(last) <= limit);
        if !is_quick {
            return false;
        }
        self.is_awake = self.skips == 0;
        self.skips = self.skips.saturating_sub(1);
        self.is_awake
    }

    /// Whether a message is still to be waited for.
    fn is_soon(&mut self, now: Instant, limit: Duration) -> bool {
        self.is_awake = self.last.is_some_and(|last| now.saturating_duration_since(last) < limit);
        if !self.is_awake {
            self.misses = (self.misses + 1).min(MAX_MISSES);
            self.skips = (1 << self.misses) - 1;
        }
        self.is_awake
    }
}

/// About what it costs to sleep and to be woken.
pub(crate) const LIMIT: Duration = Duration::from_micros(250);
/// Who is awake in vain again and again is so for one quick message in this power of two.
const MAX_MISSES: u32 = 5;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

    use super::*;
    use crate::quiet::QuietSocket;

    const LIMIT: Duration = Duration::from_micros(100);

    fn at(microseconds: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_micros(microseconds)
    }

    #[test]
    fn who_hears_seldom_sleeps() {
        let mut policy = Policy::default();
        assert!((0..100).all(|count| !policy.heard(at(count * 101), LIMIT)));
    }

    #[test]
    fn who_hears_quickly_stays_awake_for_the_limit() {
        let mut policy = Policy::default();
        assert!(!policy.heard(at(0), LIMIT));
        assert!(policy.heard(at(90), LIMIT));
        assert!(policy.is_soon(at(189), LIMIT));
        // It is awake already.
        assert!(!policy.heard(at(189), LIMIT));
        assert!(policy.is_soon(at(288), LIMIT));
        assert!(!policy.is_soon(at(289), LIMIT));
    }

    /// Two messages come together, and then none for long.
    #[test]
    fn who_is_awake_in_vain_is_so_less_often_until_it_pays() {
        let mut policy = Policy::default();
        let pair = |policy: &mut Policy, start: u64| {
            policy.heard(at(start), LIMIT);
            let is_awake = policy.heard(at(start + 1), LIMIT);
            if is_awake {
                assert!(!policy.is_soon(at(start + 101), LIMIT));
            }
            is_awake
        };
        let awake = (0..10_000).filter(|count| pair(&mut policy, count * 1_000)).count();
        assert!((10_000 / 32..10_000 / 32 + 10).contains(&awake), "{awake} of 10,000");

        while !policy.heard(at(20_000_000), LIMIT) {}
        policy.heard(at(20_000_001), LIMIT);
        assert!(!policy.is_soon(at(20_000_101), LIMIT));
        assert_eq!(policy.skips, 1, "it has paid once, and is tried again soon");
    }

    /// What is sent quickly, back and forth, is heard by threads that do not sleep; what is slow lets them.
    #[test]
    fn a_runtime_looks_for_what_comes_and_sleeps_afterwards() {
        stays_awake(|| {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            (QuietSocket::new(near).unwrap(), QuietSocket::new(far).unwrap())
        });
        stays_awake(|| {
            let (near, far) = tokio::io::duplex(16);
            (near, Heard(far))
        });
    }

    fn stays_awake<W: AsyncWrite + Unpin, R: AsyncRead + Unpin>(ends: impl Fn() -> (W, R)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // So long that no machine is too slow for it.
            let limit = BusyPoll::new(Duration::from_secs(1));
            let task = tokio::spawn(limit.clone().run());
            yield_now().await;
            let (mut near, mut far) = ends();
            for _ in 0..2 {
                near.write_all(b"x").await.unwrap();
                far.read_u8().await.unwrap();
                yield_now().await;
            }
            assert_eq!(with(|here| here.policy.is_awake), Some(true));
            limit.set(Duration::ZERO);
            while with(|here| here.policy.is_awake) == Some(true) {
                yield_now().await;
            }
            task.abort();
            drop(task.await);
            assert_eq!(with(|_| ()), None, "the thread is its own again");
        });
    }
}

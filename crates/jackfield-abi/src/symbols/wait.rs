//! Waiting on the calling thread, until one of several channels has something or a deadline passes.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::channel::Channel;
use super::portable::Portable;
use super::queue::Closed;

/// Polls until there is an answer, and sleeps in between. `None` if the deadline passes first.
pub(super) fn wait<V>(deadline: Option<Instant>, mut poll: impl FnMut(&Waker) -> Poll<V>) -> Option<V> {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(value) = poll(&waker) {
            return Some(value);
        }
        if !bell.wait(deadline) {
            return None;
        }
    }
}

/// A waker that ends the sleep of a thread. It keeps no thread-local, which would pin a library.
#[derive(Default)]
struct Bell {
    has_rung: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    /// Sleeps until it rings. Returns whether it did before the deadline.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*has_rung {
            has_rung = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    let woken = self.ring.wait_timeout(has_rung, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.ring.wait(has_rung).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *has_rung = false;
        true
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ring.notify_one();
    }
}

/// Receives from whichever of several channels has something first, as Go's `select` does. Nothing is taken from the
/// others.
///
/// ```
/// use std::time::Duration;
/// use jackfield_abi::symbols::{Channel, Select};
///
/// let (numbers, texts) = (Channel::<i64>::new(1), Channel::<String>::new(1));
/// let either = || {
///     Select::new()
///         .recv(&numbers, |number| number.map(|number| number.to_string()))
///         .recv(&texts, |text| text)
///         .wait_timeout(Duration::ZERO)
/// };
/// assert_eq!(either(), None);
/// texts.send("hello".to_owned())?;
/// assert_eq!(either(), Some(Ok("hello".to_owned())));
/// # Ok::<_, jackfield_abi::symbols::Closed>(())
/// ```
#[must_use = "nothing is received before it waits"]
pub struct Select<'a, V> {
    branches: Vec<Branch<'a, V>>,
}

type Branch<'a, V> = Box<dyn FnMut(&Waker) -> Poll<V> + 'a>;

impl<'a, V> Select<'a, V> {
    /// A choice between nothing.
    #[expect(clippy::new_without_default, reason = "it is the first word of a sentence")]
    pub fn new() -> Self {
        Self { branches: Vec::new() }
    }

    /// Also receives from `channel`: then the answer is what `received` makes of the value, or of the channel's end.
    pub fn recv<T: Portable>(
        mut self,
        channel: &'a Channel<T>,
        mut received: impl FnMut(Result<T, Closed>) -> V + 'a,
    ) -> Self {
        let mut receiving = channel.receiving();
        self.branches.push(Box::new(move |waker| receiving.poll_with(waker).map(&mut received)));
        self
    }

    /// Waits until one of the channels has something or is closed, the first of them first.
    ///
    /// # Panics
    ///
    /// There is no channel: it would wait for ever.
    pub fn wait(self) -> V {
        assert!(!self.branches.is_empty(), "a `select` without channels waits for ever");
        match wait(None, self.poll_once()) {
            Some(value) => value,
            None => unreachable!("there is no deadline"),
        }
    }

    /// Waits as [`wait`](Self::wait) does, but no longer than `timeout`.
    pub fn wait_timeout(self, timeout: Duration) -> Option<V> {
        wait(Instant::now().checked_add(timeout), self.poll_once())
    }

    fn poll_once(mut self) -> impl FnMut(&Waker) -> Poll<V> + 'a
    where
        V: 'a,
    {
        move |waker| {
            let mut answers = self.branches.iter_mut().map(|branch| branch(waker));
            answers.find(Poll::is_ready).unwrap_or(Poll::Pending)
        }
    }
}

impl<V> fmt::Debug for Select<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").field("branches", &self.branches.len()).finish()
    }
}

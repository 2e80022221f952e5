//! What becomes of plugins, as a stream of events.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::blocking;
use crate::registry::PluginId;

/// What a plugin is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A file was seen that could be it, but has not held still yet. Only where nothing is loaded under its name: what a
    /// changed file is to replace stays [`Online`](Self::Online).
    Discovered,
    /// It may be loaded, and is about to be: what is known without reading it speaks for it, such as the owner of its file
    /// and what its manifest says. Its digest, and what it says of itself, are read as a part of the load, before any of its
    /// code runs. What replaces a plugin passes over this.
    Verified,
    /// It, or the one that is to replace it, is being loaded.
    Loading,
    /// It answers calls. Where this follows upon [`Failed`](Self::Failed), the old one serves on.
    Online {
        /// The generation that answers: 1 for the first, one more after each swap.
        generation: u64,
    },
    /// It could not be loaded, or it ended by itself.
    Failed {
        /// What happened, with its causes.
        reason: String,
    },
    /// It was unloaded, and the calls that had begun may still end.
    Draining,
    /// It is gone.
    Offline,
    /// It is there and is not loaded, because somebody said so.
    Disabled,
}

/// Something became of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A plugin is in another state.
    Changed {
        /// The plugin.
        plugin: PluginId,
        /// Its state from now on.
        state: State,
    },
    /// The reader was slow, and so many events were dropped, the oldest first. What holds now is in
    /// [`Manager::states`](crate::Manager::states).
    Lagged(u64),
}

/// What becomes of a manager's plugins, from the call of [`Manager::events`](crate::Manager::events) on.
///
/// As an iterator it blocks until the next event, and ends with the manager.
///
/// ```no_run
/// # let manager = jackfield::Manager::new();
/// use jackfield::{Event, State};
///
/// for event in manager.events() {
///     match event {
///         Event::Changed { plugin, state: State::Failed { reason } } => eprintln!("{plugin}: {reason}"),
///         Event::Changed { plugin, state } => eprintln!("{plugin}: {state:?}"),
///         other => eprintln!("{other:?}"),
///     }
/// }
/// ```
///
/// It holds a bounded number of events, and the manager never waits for a reader: whoever is slow misses the oldest,
/// and finds an [`Event::Lagged`] in their place.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    pub(crate) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// The next event, or nothing once the manager is gone. Any executor may poll it.
    ///
    /// ```no_run
    /// # async fn example(manager: jackfield::Manager) {
    /// let mut events = manager.events();
    /// while let Some(event) = events.recv().await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub async fn recv(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(count)) => Some(Event::Lagged(count)),
        }
    }

    /// The next event, for which the calling thread waits so long.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let manager = jackfield::Manager::new();
    /// let mut events = manager.events();
    /// assert!(events.recv_timeout(Duration::ZERO).is_err(), "nothing has happened");
    /// ```
    ///
    /// # Errors
    ///
    /// None came in time, or the manager is gone.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        let received = match Instant::now().checked_add(timeout) {
            Some(deadline) => blocking::wait_until(self.recv(), deadline).ok_or(RecvTimeoutError::Timeout)?,
            None => blocking::wait(self.recv()),
        };
        received.ok_or(RecvTimeoutError::Disconnected)
    }
}

/// Blocks until the next event, and ends with the manager.
impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        blocking::wait(self.recv())
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! Looks at a directory whenever it may have changed, and tells each plugin's life of its file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use jackfield_core::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::handle::WatchError;
use super::sleep::sleep_until;
use crate::discovery::{Directory, File, Found, Listener, Looking, Scanner, Settling, Taking, is_busy};
use crate::events::{State, chain};
use crate::manager::Manager;
use crate::registry::PluginId;
use crate::version;

/// Whom the result of a look is told.
#[derive(Debug)]
pub(super) struct Ask(pub(super) oneshot::Sender<Result<(), WatchError>>);

/// A directory that is watched, with the lives of its plugins.
pub(super) struct Watcher {
    manager: Manager,
    directory: Arc<Directory>,
    asks: mpsc::UnboundedReceiver<Ask>,
    places: Vec<Place>,
    /// What the host tells, where it does.
    told: Option<watch::Receiver<()>>,
    settling: Settling,
    /// The next look, unless something changes before.
    due: Option<Instant>,
    looks: Arc<AtomicU64>,
    /// Whether the last look succeeded.
    is_readable: bool,
    /// Plugins whose file was seen, but has not held still yet. They are not followed so far.
    discovered: BTreeMap<String, PluginId>,
    followed: BTreeMap<String, Followed>,
    /// Versions whose file has gone, and those that came in their place in the same look.
    replaced: BTreeMap<String, BTreeSet<String>>,
    #[expect(clippy::type_complexity, reason = "it is written once more, in `new`")]
    begin: Box<dyn Fn(PluginId, watch::Receiver<Option<Arc<File>>>) -> BoxFuture<'static, ()> + Send>,
}

/// One of the directories.
struct Place {
    scanner: Scanner,
    /// Nothing where the system does not tell of changes.
    listener: Option<Listener>,
}

/// A plugin whose file is followed.
struct Followed {
    file: watch::Sender<Option<Arc<File>>>,
    life: BoxFuture<'static, ()>,
}

/// What a watcher waits for.
enum Turn {
    /// Somebody wants it to look now.
    Asked(Ask),
    /// It is time to look again, or something has changed.
    Due,
    /// Nobody holds the watch any more.
    Over,
}

impl Watcher {
    /// A watcher that has not looked yet, and for each new plugin begins a life.
    pub(super) fn new(
        manager: Manager,
        directory: Arc<Directory>,
        asks: mpsc::UnboundedReceiver<Ask>,
        begin: impl Fn(PluginId, watch::Receiver<Option<Arc<File>>>) -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Self {
        let places = directory.paths().enumerate();
        let places = places
            .map(|(place, path)| Place { scanner: Scanner::new(path, place), listener: None })
            .collect();
        let told = match &directory.looking {
            Looking::WhenHostTells(changes) => Some(changes.listen()),
            Looking::Always | Looking::WhenTold => None,
        };
        let settling = Settling::new(directory.settle);
        let (discovered, followed, replaced) = Default::default();
        let (due, looks, is_readable, begin) = (None, Arc::default(), true, Box::new(begin));
        Self {
            manager,
            directory,
            asks,
            places,
            told,
            settling,
            due,
            looks,
            is_readable,
            discovered,
            followed,
            replaced,
            begin,
        }
    }

    /// How often it has looked, from now on too.
    pub(super) fn looks(&self) -> Arc<AtomicU64> {
        self.looks.clone()
    }

    /// Looks, and lets the plugins live, until nobody holds the watch any more.
    pub(super) async fn run(mut self) {
        loop {
            match self.turn().await {
                Turn::Asked(Ask(answer)) => {
                    // An error says that whoever asked has gone.
                    let _ = answer.send(self.look());
                }
                Turn::Due => self.look_again(),
                Turn::Over => return,
            }
        }
    }

    /// Looks at the directory, and tells the plugins' lives of files that came, changed or went.
    pub(super) fn look(&mut self) -> Result<(), WatchError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        // If it cannot be looked at now, it is soon, whoever tells of changes.
        self.due = now.checked_add(self.pause());
        let is_together = self.directory.taking == Taking::Together;
        let is_changing = |places: &[Place]| places.iter().any(|place| is_busy(place.scanner.directory()));
        // What it changes after this is not settled in what is found below.
        let is_busy = is_together && is_changing(&self.places);
        let looking = &self.directory.looking;
        let listings = self.places.iter_mut().map(|place| place.look(looking)).collect::<Result<_, _>>()?;
        let found = self.settling.look(listings, now);
        self.due = self.next_look(now);
        self.discover(&found);
        if is_together {
            if is_busy {
                // That git is done is not heard.
                let soon = now.checked_add(self.directory.settle.max(SHORTEST_PAUSE));
                self.due = self.due.into_iter().chain(soon).min();
            }
            if is_busy || found.values().any(|found| *found == Found::Unsettled) {
                return Ok(());
            }
        }
        let waiting = self.waiting(&found);
        if !waiting.is_empty() {
            // That the other one serves is not heard.
            let soon = now.checked_add(self.pause());
            self.due = self.due.into_iter().chain(soon).min();
        }
        for (plugin, followed) in &self.followed {
            match found.get(plugin) {
                None if waiting.contains(plugin) => {}
                None => followed.tell(None),
                Some(Found::Settled(file)) => followed.tell(Some(file)),
                Some(Found::Unsettled) => {}
            }
        }
        for (plugin, found) in &*found {
            if let (Found::Settled(file), false) = (found, self.followed.contains_key(plugin)) {
                let (file, receiver) = watch::channel(Some(file.clone()));
                let life = (self.begin)(plugin.as_str().into(), receiver);
                self.followed.insert(plugin.clone(), Followed { file, life });
            }
        }
        Ok(())
    }

    /// Tells of plugins whose file is seen and that are not followed yet, and of those whose file has gone before that.
    fn discover(&mut self, found: &BTreeMap<String, Found>) {
        let Self { discovered, followed, manager, .. } = self;
        discovered.retain(|plugin, id| {
            let is_new = !followed.contains_key(plugin);
            let is_seen = found.contains_key(plugin);
            if is_new && !is_seen {
                manager.tell_lost(id);
            }
            is_new && is_seen
        });
        for plugin in found.keys().filter(|plugin| !followed.contains_key(*plugin)) {
            if !discovered.contains_key(plugin) {
                discovered.insert(plugin.clone(), plugin.as_str().into());
            }
        }
        manager.tell_discovered(discovered.values());
    }

    /// The versions whose file has gone and that serve on until one that came in their place does: one that cannot be
    /// loaded leaves the old one serving, as with a file that changes.
    fn waiting(&mut self, found: &BTreeMap<String, Found>) -> BTreeSet<String> {
        let Self { followed, replaced, manager, .. } = self;
        replaced.retain(|plugin, _| followed.contains_key(plugin) && !found.contains_key(plugin));
        for plugin in followed.keys().filter(|plugin| !found.contains_key(*plugin)) {
            let is_new =
                |other: &&String| !followed.contains_key(*other) && is_version_of_same(plugin, other);
            let came = || found.keys().filter(is_new).cloned().collect();
            replaced.entry(plugin.clone()).or_insert_with(came);
        }
        if replaced.is_empty() {
            return BTreeSet::new();
        }
        let states = manager.states();
        let serves = |plugin: &String| {
            let mut known = states.iter().filter(|(known, _)| known.as_str() == plugin);
            known.any(|(_, state)| matches!(state, State::Online { .. }))
        };
        for came in replaced.values_mut() {
            came.retain(|plugin| found.contains_key(plugin));
        }
        let waits = replaced.iter().filter(|(_, came)| !came.is_empty() && !came.iter().any(serves));
        waits.map(|(plugin, _)| plugin.clone()).collect()
    }

    /// When to look again if nothing is heard before.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        let soonest = now + SHORTEST_PAUSE;
        let settled = self.settling.due().map(|due| due.max(soonest));
        if self.places.iter().all(Place::is_heard) {
            return settled;
        }
        settled.into_iter().chain(self.polled(now)).min()
    }

    /// When to look again where changes are not heard: at no time, if the host tells of them.
    fn polled(&self, now: Instant) -> Option<Instant> {
        if self.told.is_some() { None } else { now.checked_add(self.pause()) }
    }

    fn pause(&self) -> Duration {
        self.directory.poll.max(SHORTEST_PAUSE)
    }

    /// Looks because it is time to. What fails is told once, and not again before it has worked again.
    fn look_again(&mut self) {
        let result = self.look();
        if let (Err(error), true) = (&result, self.is_readable) {
            let error = chain(error);
            tracing::warn!(error, "what was loaded from this directory serves on");
        }
        self.is_readable = result.is_ok();
    }

    /// Lets the plugins live until there is something to do.
    async fn turn(&mut self) -> Turn {
        let Self { manager, asks, followed, places, told, due, .. } = self;
        let mut due = pin!(sleep_until(manager.timer(), *due));
        let mut told = pin!(hear(told));
        poll_fn(|context| {
            followed.retain(|_, followed| followed.is_alive(context));
            if let Poll::Ready(ask) = asks.poll_recv(context) {
                return Poll::Ready(ask.map_or(Turn::Over, Turn::Asked));
            }
            if places.iter_mut().any(|place| place.has_changed(context)) {
                return Poll::Ready(Turn::Due);
            }
            if told.as_mut().poll(context).is_ready() {
                return Poll::Ready(Turn::Due);
            }
            due.as_mut().poll(context).map(|()| Turn::Due)
        })
        .await
    }
}

/// Nobody looks at the files any more.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.followed.clear();
        self.discovered.values().for_each(|plugin| self.manager.tell_lost(plugin));
    }
}

impl Place {
    /// The files that are there.
    fn look(&mut self, looking: &Looking) -> Result<Arc<[Arc<File>]>, WatchError> {
        // Before it looks, so that nothing changes unheard.
        if self.listener.is_none() && matches!(looking, Looking::WhenTold) {
            self.listener = Listener::new(self.scanner.directory());
        }
        let found = self.scanner.scan();
        found.map_err(|source| WatchError::Read { path: self.scanner.directory().to_owned(), source })
    }

    /// Whether every change is heard.
    fn is_heard(&self) -> bool {
        self.listener.is_some() && self.scanner.is_all_here()
    }

    /// Whether something has changed, or it is not heard any more if it has.
    fn has_changed(&mut self, context: &mut Context<'_>) -> bool {
        let Some(listener) = &mut self.listener else { return false };
        let Poll::Ready(is_heard) = listener.poll_changed(context) else { return false };
        if !is_heard {
            self.listener = None;
        }
        true
    }
}

impl Followed {
    fn tell(&self, file: Option<&Arc<File>>) {
        self.file.send_if_modified(|told| {
            let is_news = told.as_ref() != file;
            if is_news {
                *told = file.cloned();
            }
            is_news
        });
    }

    fn is_alive(&mut self, context: &mut Context<'_>) -> bool {
        self.life.as_mut().poll(context).is_pending()
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Waits until the host tells of a change; for ever, if it tells of none.
async fn hear(told: &mut Option<watch::Receiver<()>>) {
    if let Some(told) = told
        && told.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn is_version_of_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|plugin| version::split(plugin).map(|(name, _)| name));
    one.is_some() && one == other
}

/// However short the host wants it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

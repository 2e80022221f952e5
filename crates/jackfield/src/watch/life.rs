//! The life of one plugin of a directory: load, reload, restart, unload.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::schema::Descriptor;
use jackfield_core::{BoxFuture, Candidate, Context, Interface, LoadError, Step};
use tokio::sync::watch::{self, Receiver};

use super::sleep::{First, first, sleep, sleep_until};
use crate::discovery::{Directory, File};
use crate::events::chain;
use crate::manager::{Claim, Desk, Failure, Manager, Order};
use crate::registry::PluginId;
use crate::restart::Backoff;
use crate::version;

/// One plugin of a directory. It alone loads and unloads it, one thing after the other.
pub(super) struct Life {
    manager: Manager,
    directory: Arc<Directory>,
    plugin: PluginId,
    /// The file, or nothing once it has gone.
    file: Receiver<Option<Arc<File>>>,
    desk: Arc<Desk>,
    orders: Receiver<Order>,
    /// What was loaded here. What the host loaded under the same name is not to be replaced or unloaded.
    claim: Option<Claim>,
    /// What it was said to serve.
    interface: Option<Descriptor>,
    /// From what it was loaded.
    loaded: Option<Arc<File>>,
    /// The generation that has ended by itself, and of which that was told.
    ended: Option<u64>,
    /// The one that is not to be started again before its file changes.
    given_up: Option<u64>,
    loader: Loader,
}

impl Life {
    pub(super) fn new(
        manager: Manager,
        directory: Arc<Directory>,
        plugin: PluginId,
        file: Receiver<Option<Arc<File>>>,
        loader: Loader,
    ) -> Self {
        let desk = manager.desk(&plugin);
        let orders = desk.orders();
        Self {
            manager,
            directory,
            plugin,
            file,
            desk,
            orders,
            claim: None,
            interface: None,
            loaded: None,
            ended: None,
            given_up: None,
            loader,
        }
    }

    /// Follows the file until it has gone and the plugin is unloaded.
    pub(super) async fn run(mut self) {
        // What could not be drained for, and how long it waits for that to be tried again.
        let mut busy: Option<(Arc<File>, Duration)> = None;
        loop {
            let file = self.file.borrow_and_update().clone();
            let order = *self.orders.borrow_and_update();
            match file {
                Some(file) if file.is_disabled() || order.is_disabled => {
                    self.take_away().await;
                    self.manager.tell_disabled(&self.plugin);
                    self.desk.tell(order, Some(Failure::before("it is disabled")));
                    self.changed().await;
                }
                Some(file) => {
                    let failure = self.bring(&file).await.err();
                    // Only calls that run keep a plugin from being drained, and calls end.
                    let is_busy = failure.as_ref().is_some_and(|failure| failure.step == Some(Step::Drain));
                    busy = is_busy.then(|| (file.clone(), self.pause(&file, busy.as_ref())));
                    self.desk.tell(order, failure);
                    self.keep(&file, busy.as_ref().map(|(_, pause)| *pause)).await;
                }
                None => {
                    self.take_away().await;
                    self.manager.tell_gone(&self.plugin);
                    // Another file may have come meanwhile.
                    if self.file.borrow().is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// How long to wait before calls are held up for this file again: each time twice as long as before.
    fn pause(&self, file: &Arc<File>, before: Option<&(Arc<File>, Duration)>) -> Duration {
        match before {
            Some((other, pause)) if other == file => pause.saturating_mul(2),
            _ => self.manager.hand_over_deadline().saturating_mul(4).max(SHORTEST_PAUSE),
        }
    }

    /// Loads the file, or replaces by it what is loaded. If that fails, it is told, and returned.
    async fn bring(&mut self, file: &Arc<File>) -> Result<(), Failure> {
        let offered = self.directory.candidate(file).and_then(|candidate| {
            let interface = self.loader.interface(&self.directory, file)?;
            Ok((candidate, interface))
        });
        let (candidate, interface) = offered.map_err(|reason| {
            self.manager.tell_refused(&self.plugin, reason.clone());
            Failure { reason, step: Some(Step::Read) }
        })?;
        if interface != self.interface {
            // A handle to what it was said to serve is none to what it is said to serve now.
            self.take_away().await;
        }
        let plugin = self.plugin.as_str();
        let policy = file.policy(self.manager.policy());
        let context = Context::new(plugin, file.config());
        let loaded = self.claim.as_ref().filter(|_| self.generation().is_some());
        let brought = if let Some(claim) = loaded {
            self.manager.adopt(claim, policy);
            let reloaded = self.manager.reload_with(context, &*candidate).await;
            reloaded.map(drop).map_err(|error| Failure { reason: chain(&error), step: error.step() })
        } else {
            let manager = self.manager.with_policy(policy);
            let loaded = self.loader.load(&manager, context, &*candidate, interface.as_ref()).await;
            self.interface = interface;
            self.claim = loaded.as_ref().ok().and_then(|()| self.manager.claim(&self.plugin));
            loaded.map_err(|error| Failure { reason: chain(&error), step: Some(error.step()) })
        };
        let path = file.path.display();
        brought.inspect_err(|Failure { reason, .. }| {
            tracing::warn!(plugin, %path, reason, "not loaded");
        })?;
        (self.ended, self.given_up) = (None, None);
        let before = self.loaded.replace(file.clone());
        if before.is_some_and(|before| file.is_rewritten(&before)) && version::split(plugin).is_some() {
            tracing::warn!(plugin, %path, "its file has changed, but not its version: the new one is loaded");
        }
        Ok(())
    }

    async fn take_away(&mut self) {
        if self.generation().is_some() {
            // An error says that the host was faster.
            let _ = self.manager.unload(self.plugin.as_str()).await;
        }
        self.claim = None;
        self.loaded = None;
    }

    /// The generation that is loaded, if it was loaded here.
    fn generation(&self) -> Option<u64> {
        self.manager.generation(self.claim.as_ref()?)
    }

    /// Restarts the plugin whenever it ends by itself, until its file changes, or until after the pause, if there is one, the
    /// file is to be tried again.
    async fn keep(&mut self, file: &Arc<File>, pause: Option<Duration>) {
        let mut again = pause.and_then(|pause| Instant::now().checked_add(pause));
        let present = self.generation();
        let mut backoff = Backoff::new(self.directory.restart.clone());
        let manager = self.manager.clone();
        while let Some(claim) = self.claim.clone() {
            // Without an instance the host has unloaded it, and it stays so until its file changes.
            let Some((generation, closed)) = manager.closed(&claim).await else { break };
            // What replaced the one that was busy came from this file, or is what the host wants.
            again = again.filter(|_| Some(generation) == present);
            let waiting = first(self.changed(), sleep_until(manager.timer(), again));
            let ended = match first(waiting, closed).await {
                First::Left(First::Left(())) => return,
                First::Left(First::Right(())) if file.is_unchanged() => return,
                First::Left(First::Right(())) => {
                    // It is about to change.
                    again = None;
                    continue;
                }
                First::Right(ended) => ended,
            };
            if self.ended != Some(generation) {
                if !manager.tell_failed(&claim, generation, chain(&ended)).await {
                    continue;
                }
                self.ended = Some(generation);
            }
            if self.given_up == Some(generation) {
                // What was to replace it cannot be loaded, and that is told.
                break;
            }
            match self.restart(file, generation, &mut backoff).await {
                Restarted::Changed => return,
                Restarted::GivenUp => {
                    self.given_up = Some(generation);
                    break;
                }
                Restarted::Running => {}
            }
        }
        self.changed().await;
    }

    /// Starts the plugin again, as often as it takes.
    async fn restart(&mut self, file: &Arc<File>, generation: u64, backoff: &mut Backoff) -> Restarted {
        let manager = self.manager.clone();
        loop {
            let Some(delay) = backoff.failed(Instant::now(), random()) else {
                self.give_up(generation).await;
                return Restarted::GivenUp;
            };
            tracing::info!(plugin = %self.plugin, ?delay, "it ended by itself, and is restarted");
            loop {
                if let First::Left(()) = first(self.changed(), sleep(manager.timer(), delay)).await {
                    return Restarted::Changed;
                }
                // A file that is about to change is not started half written.
                if file.is_unchanged() {
                    break;
                }
            }
            // If it serves something else now, it was taken away, and is none of the host's either.
            if self.claim.is_some() && self.generation() != Some(generation) {
                return Restarted::Running;
            }
            self.claim.iter().for_each(|claim| manager.count_restart(claim));
            if self.bring(file).await.is_ok() {
                return Restarted::Running;
            }
        }
    }

    async fn give_up(&self, generation: u64) {
        let given_up = self.directory.restart.given_up();
        let reason = format!("{given_up}\n(hint: it is tried again when its file changes)");
        tracing::warn!(plugin = %self.plugin, reason, "given up");
        if let Some(claim) = &self.claim {
            self.manager.tell_failed(claim, generation, reason).await;
        }
    }

    /// Waits until the file, or what is wanted of it, is another one than was looked at last.
    async fn changed(&mut self) {
        let Self { file, orders, .. } = self;
        let changed = match first(file.changed(), orders.changed()).await {
            First::Left(changed) | First::Right(changed) => changed,
        };
        if changed.is_err() {
            // Whoever watches the directory has ended, and drops this.
            std::future::pending().await
        }
    }
}

/// Nobody waits for what will not happen any more.
impl Drop for Life {
    fn drop(&mut self) {
        // First it is no longer counted, then it tells: an order that comes in between is seen by one of the two.
        self.orders = watch::channel(Order::default()).1;
        self.desk.close();
    }
}

/// How a plugin is loaded that is not loaded yet.
#[derive(Clone, Copy)]
#[expect(clippy::type_complexity, reason = "this is its name")]
pub(super) enum Loader {
    /// As what its manifest says that it serves, or else as whatever it serves.
    Dynamic,
    /// As one interface.
    Typed(for<'a> fn(&'a Manager, Context, &'a dyn Candidate) -> BoxFuture<'a, Result<(), LoadError>>),
}

impl Loader {
    /// As this interface.
    pub(super) fn of<I: Interface + ?Sized>() -> Self {
        Self::Typed(|manager, context, candidate| {
            Box::pin(async { manager.load_with::<I>(context, candidate).await.map(drop) })
        })
    }

    /// What the file says that its plugin serves, where that is asked for.
    fn interface(self, directory: &Directory, file: &File) -> Result<Option<Descriptor>, String> {
        match self {
            Self::Dynamic => directory.interface(file),
            Self::Typed(_) => Ok(None),
        }
    }

    async fn load(
        self,
        manager: &Manager,
        context: Context,
        candidate: &dyn Candidate,
        interface: Option<&Descriptor>,
    ) -> Result<(), LoadError> {
        match (self, interface) {
            (Self::Typed(load), _) => load(manager, context, candidate).await,
            (Self::Dynamic, Some(interface)) => {
                manager.load_described(context, candidate, interface).await.map(drop)
            }
            (Self::Dynamic, None) => manager.load_dynamic(context, candidate).await.map(drop),
        }
    }
}

/// However short the hand-over may be.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// What came of a restart.
enum Restarted {
    /// The file has changed, which decides what follows.
    Changed,
    /// It failed too often.
    GivenUp,
    /// Another generation is loaded.
    Running,
}

/// A number that nobody foresees: hash maps are seeded with such ones.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

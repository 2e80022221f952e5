//! Replaces a plugin by one that goes on from what the old one saved.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use jackfield_core::__private::Retired;
use jackfield_core::{
    CallError, Candidate, Context, Description, Error, Gate, Generation, Lane, LoadError, LoadErrorKind,
    Slot, Step,
};
use tokio::sync::Notify;

use super::control::{Control, Loaded};
use super::lifecycle::{Manager, Shared};
use crate::registry::{Entry, PluginId};
use crate::watch::{First, first};

/// The next generation, and the calls that wait for it, if the old one saved.
pub(super) struct Next {
    pub(super) loaded: Loaded,
    pub(super) held: Option<Held>,
}

impl Manager {
    /// Loads the next generation of a plugin, whose instance is locked. If the present one saves, calls wait from then on.
    pub(super) async fn load_next(
        &self,
        id: &PluginId,
        entry: &Entry<Control>,
        candidate: &dyn Candidate,
        context: &Context,
    ) -> Result<Next, LoadError> {
        let ways = self.ways(entry).await?;
        if !ways.iter().any(|way| way.saves) {
            let loaded = entry.extra.load_next(candidate, context, Vec::new()).await?;
            return Ok(Next { loaded, held: None });
        }
        let step = Mutex::new(Step::Drain);
        let (held, retired) = Held::begin(self, id, entry, ways.clone());
        let succeed = self.succeed(entry, (candidate, context), Old { ways, retired }, &step);
        match first(succeed, held.hold.resumed.notified()).await {
            First::Left(loaded) => Ok(Next { loaded: loaded?, held: Some(held) }),
            First::Right(()) => Err(self.too_late(entry, *lock(&step))),
        }
    }

    /// How calls reach a plugin now: by its own slot, then by those of its other interfaces.
    async fn ways(&self, entry: &Entry<Control>) -> Result<Vec<Way>, LoadError> {
        let mut slots = vec![(entry.extra.load.interface, entry.slot.clone())];
        slots.extend(entry.extra.others().iter().cloned());
        let mut ways = Vec::new();
        for (interface, slot) in slots {
            let lane = slot.lane();
            let saves = match lane.saves(interface).await {
                Ok(saves) => saves,
                // It is too busy with calls to say.
                Err(Error::Call(CallError::DeadlineExceeded { .. })) => {
                    return Err(self.too_late(entry, Step::Drain));
                }
                Err(error) => return Err(entry.extra.load.error(LoadErrorKind::Save(error))),
            };
            ways.push(Way { interface, slot, lane, saves });
        }
        Ok(ways)
    }

    /// Drains, saves, and loads the next generation with what was saved.
    async fn succeed(
        &self,
        entry: &Entry<Control>,
        (candidate, context): (&dyn Candidate, &Context),
        Old { ways, retired }: Old,
        step: &Mutex<Step>,
    ) -> Result<Loaded, LoadError> {
        let control = &entry.extra;
        if !self.drain(control, retired).await {
            return Err(self.too_late(entry, Step::Drain));
        }
        *lock(step) = Step::Save;
        let mut saved = Vec::new();
        for way in ways {
            if way.saves {
                let own = way.lane.save(way.interface).await;
                saved.push((
                    way.interface,
                    own.map_err(|error| control.load.error(LoadErrorKind::Save(error)))?,
                ));
            }
        }
        *lock(step) = Step::Start;
        control.load_next(candidate, context, saved).await
    }

    /// How long calls may have to wait.
    pub(crate) fn hand_over_deadline(&self) -> Duration {
        self.shared.hand_over_deadline
    }

    /// That calls had to wait for too long. They go on at the old generation.
    pub(super) fn too_late(&self, entry: &Entry<Control>, step: Step) -> LoadError {
        let Shared { hand_over_deadline: deadline, drain_deadline, .. } = *self.shared;
        let reason = match step {
            Step::Drain => format!(
                "expected the calls of the old one to end within {:?}, for it to save what it holds\n\
                 (hint: one that waits for this very plugin never ends)",
                deadline.min(drain_deadline)
            ),
            _ => format!("calls had to wait for longer than {deadline:?}, and go on at the old one"),
        };
        entry.extra.load.error(LoadErrorKind::backend("manager", step, reason))
    }
}

/// The old generation, which has to end.
struct Old {
    ways: Vec<Way>,
    retired: Vec<Retired<Generation>>,
}

/// A slot, and how calls through it reach the old generation.
#[derive(Clone)]
struct Way {
    interface: Description,
    slot: Arc<Slot>,
    lane: Lane,
    saves: bool,
}

/// Calls that wait. They go on where they would have gone when this is dropped, or when they have waited for too long.
pub(super) struct Held {
    hold: Arc<Hold>,
    /// Missing where they may wait for longer than the clock can tell.
    _alarm: Option<Box<dyn Send>>,
}

struct Hold {
    manager: Manager,
    plugin: PluginId,
    control: Arc<Control>,
    gate: Gate,
    /// The generations that are drained.
    leaving: Vec<Weak<Generation>>,
    /// What is held; nothing once the calls go on.
    ways: Mutex<Option<Vec<Way>>>,
    resumed: Notify,
}

impl Held {
    fn begin(
        manager: &Manager,
        plugin: &PluginId,
        entry: &Entry<Control>,
        ways: Vec<Way>,
    ) -> (Self, Vec<Retired<Generation>>) {
        let gate = Gate::default();
        let mut leaving: Vec<_> = ways.iter().map(|way| way.slot.current()).collect();
        let mut retired: Vec<_> = ways.iter().map(|way| way.slot.hold(gate.clone())).collect();
        if let Some((generation, held)) = manager.hold_name(plugin, &entry.extra, &gate) {
            leaving.push(generation);
            retired.push(held);
        }
        let hold = Arc::new(Hold {
            manager: manager.clone(),
            plugin: plugin.clone(),
            control: entry.extra.clone(),
            gate,
            leaving,
            ways: Mutex::new(Some(ways)),
            resumed: Notify::new(),
        });
        let deadline = Instant::now().checked_add(manager.shared.hand_over_deadline);
        let wake = |deadline| manager.shared.timer.wake_at(deadline, Waker::from(hold.clone()));
        (Self { _alarm: deadline.map(wake), hold }, retired)
    }

    /// Lets the calls go on in the slots as `swap` leaves them, unless they have gone on already.
    pub(super) fn pass<V>(&self, swap: impl FnOnce() -> V) -> Option<V> {
        let swapped = {
            let mut ways = lock(&self.hold.ways);
            ways.take()?;
            swap()
        };
        // Whom it wakes may poll at once, and end the hand-over.
        self.hold.gate.open();
        Some(swapped)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.hold.resume();
    }
}

impl Hold {
    /// Lets the calls go on where they would have gone.
    fn resume(&self) {
        let mut held = lock(&self.ways);
        let Some(ways) = held.take() else { return };
        // Calls that are still running have begun on what is no slot's generation any more.
        self.leaving.iter().for_each(|generation| self.control.leave(generation.clone()));
        if let Some(own) = ways.first() {
            self.manager.resume_name(&self.plugin, &self.control, &own.lane);
        }
        for Way { slot, lane, .. } in ways {
            slot.resume(lane);
        }
        drop(held);
        self.gate.open();
    }
}

/// They have waited for too long. Whoever loads the next generation may be unable to tell them: a call that waits on its
/// thread may be one of those.
impl Wake for Hold {
    fn wake(self: Arc<Self>) {
        self.resume();
        self.resumed.notify_one();
    }
}

fn lock<V>(mutex: &Mutex<V>) -> std::sync::MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

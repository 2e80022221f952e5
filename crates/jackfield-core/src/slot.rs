//! Where the current generation of a plugin is swapped.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use jackfield_abi::{Announced, Bound, Derived, Entered, HotSlot, Retired, Tally};

use crate::{CallError, Channel, Description, DynamicHandle, Gate, Handle, Interface, Schema};

/// Where the current generation of a plugin is swapped. It belongs to one interface.
pub struct Slot {
    interface: TypeId,
    schema: &'static Schema,
    hot: HotSlot<Generation>,
    timer: Option<Arc<dyn Timer>>,
}

/// Wakes calls whose deadline has come. The core has no clock of its own.
pub trait Timer: fmt::Debug + Send + Sync {
    /// Wakes once, at this time or soon after it, unless what it returns was dropped before.
    fn wake_at(&self, deadline: Instant, waker: Waker) -> Box<dyn Send>;
}

/// Lets a timer keep the deadlines of calls of objects too, for as long as it is there.
///
/// What comes from a plugin as an argument or a result knows nothing of whoever loaded the plugin, and so has no timer of
/// its own.
pub fn keep_deadlines(timer: &Arc<dyn Timer>) {
    let mut timers = TIMERS.lock().unwrap_or_else(PoisonError::into_inner);
    timers.retain(|timer| timer.strong_count() > 0);
    timers.push(Arc::downgrade(timer));
}

/// Any of the timers that are there. An object arrives in the midst of a call, where nobody is known in whom this could be
/// a field.
fn any_timer() -> Option<Arc<dyn Timer>> {
    TIMERS.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().find_map(Weak::upgrade)
}

static TIMERS: Mutex<Vec<Weak<dyn Timer>>> = Mutex::new(Vec::new());

impl Slot {
    /// A slot of the interface `I`, whose first generation has the number 1.
    pub fn new<I: Interface + ?Sized>(lane: Lane) -> Self {
        let first = Generation { number: 1, lane };
        Self {
            interface: TypeId::of::<I>(),
            schema: I::SCHEMA,
            hot: HotSlot::new(Arc::new(first)),
            timer: None,
        }
    }

    /// A slot for [dynamic](DynamicHandle) handles of an interface, or of none.
    pub fn dynamic(interface: Description, lane: Lane) -> Self {
        let first = Generation { number: 1, lane };
        Self {
            interface: TypeId::of::<DynamicHandle>(),
            schema: interface.schema(),
            hot: HotSlot::new(Arc::new(first)),
            timer: None,
        }
    }

    /// Lets deadlines be kept by this timer. Without one they are kept as those of objects.
    #[must_use]
    pub fn with_timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = Some(timer);
        self
    }

    pub(crate) fn timer(&self) -> Option<Arc<dyn Timer>> {
        self.timer.clone().or_else(any_timer)
    }

    /// A handle, if the slot belongs to the interface `I`: to this very trait, since another version of it may have
    /// other methods under the same name.
    pub fn handle<I: Interface + ?Sized>(self: &Arc<Self>) -> Option<Handle<I>> {
        (self.interface == TypeId::of::<I>()).then(|| Handle::from_slot(self.clone()))
    }

    /// Whether the other slot belongs to the same interface: to this very trait.
    pub fn is_like(&self, other: &Self) -> bool {
        self.interface == other.interface
    }

    /// The description of the interface.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Replaces what calls use. Calls that have begun go on where they began; the caller drains them.
    ///
    /// Swaps of one slot must not run at the same time: the generations would share a number.
    pub fn swap(&self, lane: Lane) -> Retired<Generation> {
        let number = self.hot.enter().number + 1;
        self.hot.swap(Arc::new(Generation { number, lane }))
    }

    /// How calls reach the current generation.
    pub fn lane(&self) -> Lane {
        self.hot.enter().lane().clone()
    }

    /// The current generation, for whoever wants to know when it has ended: no call uses it any more, nor does a slot.
    pub fn current(&self) -> Weak<Generation> {
        Arc::downgrade(&self.hot.enter().share())
    }

    /// Lets later calls wait at a gate, until the slot is [swapped](Self::swap) or [resumed](Self::resume) and the gate
    /// opens. Those that have begun go on; the caller drains them.
    pub fn hold(&self, gate: Gate) -> Retired<Generation> {
        self.replace(Lane::Held(gate))
    }

    /// Lets calls that were held go on in the same generation, which is reached by this lane.
    pub fn resume(&self, lane: Lane) {
        // Nobody is inside of a slot that is held.
        drop(self.replace(lane));
    }

    /// Replaces the lane of the current generation.
    fn replace(&self, lane: Lane) -> Retired<Generation> {
        let number = self.hot.enter().number;
        self.hot.swap(Arc::new(Generation { number, lane }))
    }

    /// Lets the library from which the current generation came close this slot before it goes.
    pub(crate) fn watch_peer(self: &Arc<Self>) {
        if let Lane::Bound(bound) = self.hot.enter().lane() {
            if let Some(peer) = bound.object().peer() {
                let this: Weak<Self> = Arc::downgrade(self);
                peer.watch(this);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn try_enter(&self) -> Option<Announced<'_, Generation>> {
        self.hot.try_enter()
    }

    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_, Generation> {
        self.hot.enter()
    }
}

/// An object of a plugin that was unloaded.
impl Derived for Slot {
    fn close(&self) {
        let reason = format!("the plugin of this `{}` was unloaded", self.schema.service);
        // Calls that are running hold the generation until they end.
        drop(self.swap(Lane::Closed(CallError::Closed { reason })));
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("service", &self.schema.service)
            .field("generation", &self.enter().number)
            .finish()
    }
}

/// One generation of a plugin.
#[derive(Debug)]
pub struct Generation {
    number: u64,
    lane: Lane,
}

impl Generation {
    /// The number: 1 for the first, one more after each swap.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How calls reach it.
    #[inline]
    pub fn lane(&self) -> &Lane {
        &self.lane
    }
}

/// How calls reach a generation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lane {
    /// The code is in this process: arguments cross as they are, or encoded where the two sides' types differ.
    Bound(Bound),
    /// The code is elsewhere: everything crosses encoded.
    Channel(Arc<dyn Channel>),
    /// There is none any more.
    Closed(CallError),
    /// It is not known yet: calls wait here.
    Held(Gate),
}

impl Lane {
    /// That of a plugin which was loaded for no interface.
    pub fn of_none() -> Self {
        Self::Closed(CallError::Closed { reason: "it was loaded for no interface".to_owned() })
    }

    /// Who counts the calls that go this way, if anybody does: code in this process only.
    pub fn tally(&self) -> Option<&Tally> {
        match self {
            Self::Bound(bound) => bound.tally(),
            Self::Channel(_) | Self::Closed(_) | Self::Held(_) => None,
        }
    }
}

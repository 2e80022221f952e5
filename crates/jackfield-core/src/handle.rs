//! What callers hold.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::slot::Slot;
use crate::{Generation, Interface};

/// What callers hold of a plugin: it implements the interface `I` by calling whatever is in the slot.
///
/// It survives a swap of the plugin underneath: a call that has begun ends on the instance on which it began, the
/// next one goes to the new instance. After the plugin was unloaded every call returns
/// [`CallError::Closed`](crate::CallError::Closed) at once.
///
/// Cloning is cheap, and clones share the slot.
pub struct Handle<I: ?Sized> {
    slot: Arc<Slot>,
    _interface: PhantomData<fn(&I)>,
}

impl<I: Interface + ?Sized> Handle<I> {
    /// A handle to a slot of this interface.
    pub(crate) fn new(slot: Arc<Slot>) -> Self {
        Self { slot, _interface: PhantomData }
    }

    /// The number of the current generation: 1 for the first, one more after each swap.
    ///
    /// This is no method, so that the interface may have one of this name.
    pub fn generation(handle: &Self) -> u64 {
        handle.slot.enter().number()
    }

    /// What the next call would use.
    #[doc(hidden)]
    pub fn current(handle: &Self) -> Arc<Generation> {
        handle.slot.enter().share()
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }
}

impl<I: ?Sized> Clone for Handle<I> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), _interface: PhantomData }
    }
}

impl<I: ?Sized> fmt::Debug for Handle<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("slot", &self.slot).finish()
    }
}

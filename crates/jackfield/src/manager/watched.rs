//! What those who watch plugins ask of a manager, and let it tell.

use std::sync::atomic::Ordering;

use jackfield_core::{BoxFuture, CallError, Timer};

use super::lifecycle::Manager;
use crate::events::State;
use crate::registry::PluginId;

impl Manager {
    pub(crate) fn timer(&self) -> &dyn Timer {
        &*self.shared.timer
    }

    /// The generation that is loaded, if one is.
    pub(crate) fn generation(&self, plugin: &PluginId) -> Option<u64> {
        let entry = self.shared.registry.find(plugin).ok()?;
        Some(entry.extra.generation.load(Ordering::Relaxed))
    }

    /// The generation that is loaded, and what resolves when it has ended by itself or was replaced.
    pub(crate) async fn closed(&self, plugin: &PluginId) -> Option<(u64, BoxFuture<'static, CallError>)> {
        let entry = self.shared.registry.find(plugin).ok()?;
        let instance = entry.extra.instance.lock().await;
        let closed = instance.as_ref()?.closed();
        Some((entry.extra.generation.load(Ordering::Relaxed), closed))
    }

    /// Tells that this generation has failed. Returns whether it had, or was replaced before.
    pub(crate) async fn tell_failed(&self, plugin: &PluginId, generation: u64, reason: String) -> bool {
        let Ok(entry) = self.shared.registry.find(plugin) else { return false };
        let instance = entry.extra.instance.lock().await;
        let is_current = instance.is_some() && entry.extra.generation.load(Ordering::Relaxed) == generation;
        if is_current {
            self.shared.states.set(plugin, State::Failed { reason });
        }
        is_current
    }

    /// Tells why nothing can be loaded under this name. What is loaded under it serves on.
    pub(crate) fn tell_refused(&self, plugin: &PluginId, reason: String) {
        self.shared.states.refuse(plugin, reason);
    }

    /// Tells that nothing can be loaded under this name any more, and nothing is.
    pub(crate) fn tell_gone(&self, plugin: &PluginId) {
        self.shared.states.set_if(plugin, State::Offline, |state| matches!(state, State::Failed { .. }));
    }
}

//! What those who watch plugins ask of a manager, and let it tell.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jackfield_core::{BoxFuture, CallError, Timer};

use super::control::Control;
use super::lifecycle::Manager;
use super::supervision::Policy;
use crate::events::State;
use crate::registry::{Entry, PluginId};

/// That a plugin was loaded by somebody, with all its generations until it is unloaded: another may then be loaded under
/// its name by somebody else.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    plugin: PluginId,
    control: Arc<Control>,
}

impl Manager {
    pub(crate) fn timer(&self) -> &dyn Timer {
        &*self.shared.timer
    }

    /// A claim to what was just loaded.
    pub(crate) fn claim(&self, plugin: &PluginId) -> Option<Claim> {
        let entry = self.shared.registry.find(plugin).ok()?;
        Some(Claim { plugin: plugin.clone(), control: entry.extra })
    }

    /// The generation that is loaded, if the claim still holds.
    pub(crate) fn generation(&self, claim: &Claim) -> Option<u64> {
        self.claimed(claim).map(|entry| entry.extra.generation.load(Ordering::Relaxed))
    }

    /// The generation that is loaded, and what resolves when it has ended by itself or was replaced.
    pub(crate) async fn closed(&self, claim: &Claim) -> Option<(u64, BoxFuture<'static, CallError>)> {
        let entry = self.claimed(claim)?;
        let instance = entry.extra.instance.lock().await;
        let closed = instance.as_ref()?.closed();
        Some((entry.extra.generation.load(Ordering::Relaxed), closed))
    }

    /// Tells that this generation has failed. Returns whether it had, or was replaced or unloaded before.
    pub(crate) async fn tell_failed(&self, claim: &Claim, generation: u64, reason: String) -> bool {
        let Some(entry) = self.claimed(claim) else { return false };
        let instance = entry.extra.instance.lock().await;
        let is_current = instance.is_some() && entry.extra.generation.load(Ordering::Relaxed) == generation;
        if is_current {
            entry.extra.set_failure(Some(reason.clone()));
            self.shared.states.set(&claim.plugin, State::Failed { reason });
            self.tell_name_of(&claim.plugin);
        }
        is_current
    }

    /// Under what the next generations are loaded of what was claimed.
    pub(crate) fn adopt(&self, claim: &Claim, policy: Policy) {
        claim.control.supervisor.adopt(policy);
    }

    /// Counts that a plugin is started again after it has ended by itself.
    pub(crate) fn count_restart(&self, claim: &Claim) {
        claim.control.supervisor.restarted();
    }

    /// Tells that files were seen that could be these plugins, unless more is known of them.
    pub(crate) fn tell_discovered<'a>(&self, plugins: impl Iterator<Item = &'a PluginId>) {
        self.shared.states.discover(plugins);
    }

    /// Tells that such a file is no longer seen, if that was all.
    pub(crate) fn tell_lost(&self, plugin: &PluginId) {
        self.shared.states.lose(plugin);
    }

    /// Tells why nothing can be loaded under this name. What is loaded under it serves on.
    pub(crate) fn tell_refused(&self, plugin: &PluginId, reason: String) {
        self.shared.states.refuse(plugin, reason);
    }

    /// Tells that nothing can be loaded under this name any more, and nothing is.
    pub(crate) fn tell_gone(&self, plugin: &PluginId) {
        self.shared
            .states
            .set_if(plugin, State::Offline, |state| matches!(state, State::Disabled | State::Failed { .. }));
    }

    /// Tells that nothing is loaded under this name, because somebody said so.
    pub(crate) fn tell_disabled(&self, plugin: &PluginId) {
        self.shared.states.set_if(plugin, State::Disabled, |state| {
            matches!(state, State::Discovered | State::Failed { .. } | State::Offline)
        });
    }

    fn claimed(&self, claim: &Claim) -> Option<Entry<Control>> {
        let entry = self.shared.registry.find(&claim.plugin).ok()?;
        Arc::ptr_eq(&entry.extra, &claim.control).then_some(entry)
    }
}

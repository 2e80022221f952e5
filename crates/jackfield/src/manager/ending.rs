//! The end of a plugin, which comes even if nobody waits for it.

use jackfield_core::__private::Retired;
use jackfield_core::{CallError, Generation, Instance, Lane, Unloaded};
use tokio::sync::MutexGuard;

use super::control::Control;
use super::lifecycle::Manager;
use crate::registry::{Entry, PluginId};

/// A plugin that is not registered any more, and ends. Dropped before, it ends without its drain deadline.
pub(super) struct Ending<'a> {
    manager: &'a Manager,
    entry: &'a Entry<Control>,
    instance: MutexGuard<'a, Option<Box<dyn Instance>>>,
    reason: String,
}

impl<'a> Ending<'a> {
    pub(super) fn new(
        manager: &'a Manager,
        entry: &'a Entry<Control>,
        instance: MutexGuard<'a, Option<Box<dyn Instance>>>,
    ) -> Self {
        let reason = format!("`{}` was unloaded", entry.extra.load.context.plugin());
        Self { manager, entry, instance, reason }
    }

    /// Lets another version serve, closes the slots, drains, and unloads.
    pub(super) async fn run(mut self) -> Unloaded {
        let plugin = self.plugin();
        let shared = self.manager.hand_over(&plugin, &self.entry.extra, &self.reason).await;
        let retired = shared.into_iter().chain(self.close()).collect();
        let drained = self.manager.drain(&self.entry.extra, retired).await;
        let unloaded = match self.instance.take() {
            Some(instance) => instance.unload(self.manager.shared.stop_deadline).await,
            None => Unloaded::Dropped,
        };
        tracing::info!(%plugin, drained, outcome = %unloaded, "unloaded");
        unloaded
    }

    fn plugin(&self) -> PluginId {
        self.entry.extra.load.context.plugin().into()
    }

    /// Closes its own slots.
    fn close(&self) -> Vec<Retired<Generation>> {
        let closed = || Lane::Closed(CallError::Closed { reason: self.reason.clone() });
        let mut retired = vec![self.entry.slot.swap(closed())];
        retired.extend(self.entry.extra.others().drain(..).map(|(_, slot)| slot.swap(closed())));
        retired
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            self.manager.leave_name(&self.plugin(), &self.entry.extra, &self.reason);
            // Calls that are running hold what they use until they end.
            drop((self.close(), instance));
        }
    }
}

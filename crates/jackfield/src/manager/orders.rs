//! What an operator wants of plugins that are watched, and what comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jackfield_core::Step;
use tokio::sync::watch;

use super::error::ReloadError;
use super::lifecycle::Manager;
use crate::registry::{GetError, PluginId};
use crate::version;

/// The orders for each plugin that was ever watched. They outlast its file.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<BTreeMap<PluginId, Arc<Desk>>>);

/// Where the orders for one plugin lie.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    order: watch::Sender<Order>,
    outcome: watch::Sender<Outcome>,
}

/// What is wanted now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    pub(crate) is_disabled: bool,
    /// How often it was to be loaded again.
    again: u64,
}

/// What came of the last order that was followed.
#[derive(Clone, Debug, Default)]
struct Outcome {
    again: u64,
    failure: Option<Failure>,
}

/// Why a plugin was not loaded.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What happened, with its causes.
    pub(crate) reason: String,
    /// The step at which it failed, if it was begun.
    pub(crate) step: Option<Step>,
}

impl Failure {
    /// A failure before anything was begun.
    pub(crate) fn before(reason: &str) -> Self {
        Self { reason: reason.to_owned(), step: None }
    }
}

impl Desk {
    /// What is wanted now, and from now on.
    pub(crate) fn orders(&self) -> watch::Receiver<Order> {
        self.order.subscribe()
    }

    /// Tells what came of an order.
    pub(crate) fn tell(&self, order: Order, failure: Option<Failure>) {
        self.outcome.send_replace(Outcome { again: order.again, failure });
    }

    /// Tells those who wait that nobody follows orders any more.
    pub(crate) fn close(&self) {
        self.tell(*self.order.borrow(), Some(Failure::before("it is not watched any more")));
    }

    fn is_disabled(&self) -> bool {
        self.order.borrow().is_disabled
    }
}

impl Manager {
    /// Loads a plugin of a [watched](Self::watch) directory again from its file, as if that had changed: one that was
    /// given up, or one whose surroundings are other than they were.
    ///
    /// ```no_run
    /// # async fn example(manager: jackfield::Manager) -> Result<(), jackfield::ReloadError> {
    /// manager.load_again("kv").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// No such plugin is watched, it is disabled, or it cannot be loaded. What was loaded serves on.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is loaded again even if the future is dropped.
    pub async fn load_again(&self, name: &str) -> Result<(), ReloadError> {
        let (plugin, desk) = self.desk_of(name)?;
        if desk.is_disabled() {
            return Err(GetError::Disabled { plugin }.into());
        }
        let mut outcome = desk.outcome.subscribe();
        let mut mine = 0;
        desk.order.send_modify(|order| {
            order.again += 1;
            mine = order.again;
        });
        // Whoever stops following after this sees the order, and tells.
        if desk.order.receiver_count() == 0 {
            return Err(self.shared.registry.unknown(&plugin).into());
        }
        let outcome = outcome.wait_for(|outcome| outcome.again >= mine).await;
        let gone = |_| Some(Failure::before("the manager has gone"));
        match outcome.map_or_else(gone, |outcome| outcome.failure.clone()) {
            None => Ok(()),
            Some(Failure { reason, step }) => Err(ReloadError::Again { plugin, step, reason }),
        }
    }

    /// Unloads a plugin of a [watched](Self::watch) directory, and keeps it from being loaded, whatever becomes of its
    /// file, until it is [enabled](Self::enable). Where the name has versions, it is the one that serves, and another
    /// one takes its place.
    ///
    /// What becomes of it is told by [events](Self::events): [`Disabled`](crate::State::Disabled) at last.
    ///
    /// # Errors
    ///
    /// No such plugin is watched.
    pub fn disable(&self, name: &str) -> Result<(), GetError> {
        self.desk_of(name)?
            .1
            .order
            .send_if_modified(|order| !std::mem::replace(&mut order.is_disabled, true));
        Ok(())
    }

    /// Lets a plugin that was [disabled](Self::disable) be loaded again, if its file is there. Where the name has
    /// versions, these are all of them: another one serves, or none, since one was disabled.
    ///
    /// # Errors
    ///
    /// No such plugin was ever watched.
    pub fn enable(&self, name: &str) -> Result<(), GetError> {
        let desks = self.desks_of(name);
        if desks.is_empty() {
            return Err(self.shared.registry.unknown(&name.into()));
        }
        for desk in desks {
            desk.order.send_if_modified(|order| std::mem::take(&mut order.is_disabled));
        }
        Ok(())
    }

    /// Where the orders for a plugin lie that is about to be watched.
    pub(crate) fn desk(&self, plugin: &PluginId) -> Arc<Desk> {
        let mut desks = self.shared.orders.0.lock().unwrap_or_else(PoisonError::into_inner);
        desks.entry(plugin.clone()).or_default().clone()
    }

    /// Where the orders lie for a plugin of this name, or for each of its versions.
    fn desks_of(&self, name: &str) -> Vec<Arc<Desk>> {
        let desks = self.shared.orders.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = desks.get(&PluginId::from(name)) {
            return vec![desk.clone()];
        }
        let is_version =
            |plugin: &PluginId| version::split(plugin.as_str()).is_some_and(|(of, _)| of == name);
        desks.iter().filter(|(plugin, _)| is_version(plugin)).map(|(_, desk)| desk.clone()).collect()
    }

    /// Where the orders lie for a plugin of this name, or for the version that serves under it.
    fn desk_of(&self, name: &str) -> Result<(PluginId, Arc<Desk>), GetError> {
        let serving = self.serving(name);
        let desks = self.shared.orders.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plugins = [Some(PluginId::from(name)), serving].into_iter().flatten();
        let found = plugins.find_map(|plugin| desks.get(&plugin).map(|desk| (plugin, desk.clone())));
        found.ok_or_else(|| self.shared.registry.unknown(&name.into()))
    }
}

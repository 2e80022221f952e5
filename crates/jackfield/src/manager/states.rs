//! The state of each plugin, of which every change is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::events::{Event, Events, State};
use crate::registry::PluginId;

/// The state of each plugin. Those that are offline are not kept.
#[derive(Debug)]
pub(super) struct States {
    table: Mutex<BTreeMap<PluginId, State>>,
    /// Held while a change is made and told, so that they are told in the order in which they were made; the table's
    /// own lock is free by then, since a waker may ask for it.
    order: Mutex<()>,
    sender: broadcast::Sender<Event>,
}

impl States {
    /// Keeps so many events for a slow reader.
    pub(super) fn new(capacity: usize) -> Self {
        let (sender, _) = broadcast::channel(capacity.clamp(1, MAX_CAPACITY));
        Self { table: Mutex::default(), order: Mutex::default(), sender }
    }

    pub(super) fn events(&self) -> Events {
        Events::new(self.sender.subscribe())
    }

    pub(super) fn all(&self) -> Vec<(PluginId, State)> {
        lock(&self.table).iter().map(|(plugin, state)| (plugin.clone(), state.clone())).collect()
    }

    pub(super) fn of(&self, plugin: &PluginId) -> State {
        lock(&self.table).get(plugin).unwrap_or(&State::Offline).clone()
    }

    pub(super) fn set(&self, plugin: &PluginId, state: State) {
        self.set_if(plugin, state, |_| true);
    }

    /// Sets a state if the present one is as expected. Returns the one before, if so.
    pub(super) fn set_if(
        &self,
        plugin: &PluginId,
        state: State,
        expected: impl FnOnce(&State) -> bool,
    ) -> Option<State> {
        let order = lock(&self.order);
        let before = {
            let mut table = lock(&self.table);
            let before = table.get(plugin).unwrap_or(&State::Offline).clone();
            if !expected(&before) {
                return None;
            }
            match &state {
                State::Offline => table.remove(plugin),
                state => table.insert(plugin.clone(), state.clone()),
            };
            before
        };
        if before != state {
            // An error says that nobody listens.
            let _ = self.sender.send(Event::Changed { plugin: plugin.clone(), state });
        }
        drop(order);
        Some(before)
    }

    /// Tells that files were seen from which plugins might be loaded, unless more is known of these.
    pub(super) fn discover<'a>(&self, plugins: impl Iterator<Item = &'a PluginId>) {
        let unknown: Vec<_> = {
            let table = lock(&self.table);
            plugins.filter(|plugin| !table.contains_key(*plugin)).collect()
        };
        for plugin in unknown {
            self.set_if(plugin, State::Discovered, |state| *state == State::Offline);
        }
    }

    /// Tells that such a file has gone, or is no longer looked at.
    pub(super) fn lose(&self, plugin: &PluginId) {
        self.set_if(plugin, State::Offline, |state| *state == State::Discovered);
    }

    /// Begins to load a plugin that may be loaded. Of two loads at the same time, the first is told.
    pub(super) fn begin(&self, plugin: &PluginId) -> Attempt<'_> {
        let is_new = |state: &State| !is_begun(state) && !matches!(state, State::Online { .. });
        let Some(before) = self.set_if(plugin, State::Verified, is_new) else {
            return self.begin_next(plugin);
        };
        self.set_if(plugin, State::Loading, |state| *state == State::Verified);
        Attempt { states: self, plugin: plugin.clone(), before: Some(before) }
    }

    /// Begins to load what is to replace a plugin.
    pub(super) fn begin_next(&self, plugin: &PluginId) -> Attempt<'_> {
        let before = self.set_if(plugin, State::Loading, |state| !is_begun(state));
        Attempt { states: self, plugin: plugin.clone(), before }
    }

    /// Tells why nothing can be loaded under a name. If one is online, it serves on, which is told too.
    pub(super) fn refuse(&self, plugin: &PluginId, reason: String) {
        if let Some(before @ State::Online { .. }) = self
            .set_if(plugin, State::Failed { reason }, |state| !is_begun(state) && *state != State::Draining)
        {
            self.set(plugin, before);
        }
    }

    /// Begins to unload a plugin, which is offline once this is dropped.
    pub(super) fn drain(&self, plugin: &PluginId) -> Draining<'_> {
        self.set(plugin, State::Draining);
        Draining { states: self, plugin: plugin.clone() }
    }
}

/// A load that has begun. Dropped before its end, all is as it was.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    states: &'a States,
    plugin: PluginId,
    /// The state before it, unless somebody else's load is told or the end of this one was.
    before: Option<State>,
}

impl Attempt<'_> {
    pub(super) fn succeeded(mut self, generation: u64) {
        self.before = None;
        self.states.set(&self.plugin, State::Online { generation });
    }

    /// Tells why. The one that is online already serves on, which is told too.
    pub(super) fn failed(mut self, reason: String) {
        let Some(before) = self.before.take() else { return };
        // Somebody else's load under the same name may have come to an end meanwhile.
        let is_ours = |present: &State| *present == State::Loading;
        let told = self.states.set_if(&self.plugin, State::Failed { reason }, is_ours);
        if told.is_some() && matches!(before, State::Online { .. }) {
            self.states.set(&self.plugin, before);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            // What was draining may have ended meanwhile, and a file that was seen may have gone.
            let is_over = matches!(before, State::Discovered | State::Draining);
            let state = if is_over { State::Offline } else { before };
            self.states.set_if(&self.plugin, state, |present| *present == State::Loading);
        }
    }
}

/// A plugin that is being unloaded.
#[derive(Debug)]
pub(super) struct Draining<'a> {
    states: &'a States,
    plugin: PluginId,
}

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        // Another may have been loaded under its name meanwhile.
        self.states.set_if(&self.plugin, State::Offline, |state| *state == State::Draining);
    }
}

/// Whether somebody loads it.
fn is_begun(state: &State) -> bool {
    matches!(state, State::Loading | State::Verified)
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for them is taken at once.
const MAX_CAPACITY: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &mut Events) -> Vec<State> {
        let mut told = Vec::new();
        while let Ok(Event::Changed { state, .. }) = events.recv_timeout(std::time::Duration::ZERO) {
            told.push(state);
        }
        told
    }

    fn failed(reason: &str) -> State {
        State::Failed { reason: reason.to_owned() }
    }

    #[test]
    fn a_failed_update_says_that_the_old_one_serves_on() {
        let (states, plugin) = (States::new(16), PluginId::from("kv"));
        let mut events = states.events();
        states.begin(&plugin).failed("no file".to_owned());
        states.begin(&plugin).succeeded(1);
        states.begin_next(&plugin).failed("garbage".to_owned());
        let online = State::Online { generation: 1 };
        assert_eq!(
            told(&mut events),
            [
                State::Verified,
                State::Loading,
                failed("no file"),
                State::Verified,
                State::Loading,
                online.clone(),
                State::Loading,
                failed("garbage"),
                online
            ]
        );
    }

    #[test]
    fn a_load_that_was_given_up_leaves_no_trace() {
        let (states, plugin) = (States::new(8), PluginId::from("kv"));
        let mut events = states.events();
        drop(states.begin(&plugin));
        assert_eq!(told(&mut events), [State::Verified, State::Loading, State::Offline]);
        assert!(states.all().is_empty());
    }

    #[test]
    fn a_file_that_is_seen_is_told_only_where_nothing_else_is_known() {
        let (states, plugin) = (States::new(8), PluginId::from("kv"));
        let mut events = states.events();
        states.discover([&plugin].into_iter());
        states.discover([&plugin].into_iter());
        states.lose(&plugin);
        assert_eq!(told(&mut events), [State::Discovered, State::Offline]);
        states.discover([&plugin].into_iter());
        drop(states.begin(&plugin));
        let begun = [State::Verified, State::Loading];
        assert_eq!(told(&mut events), [&[State::Discovered], &begun[..], &[State::Offline]].concat());
        states.begin(&plugin).failed("garbage".to_owned());
        states.discover([&plugin].into_iter());
        states.lose(&plugin);
        assert_eq!(told(&mut events), [&begun[..], &[failed("garbage")]].concat());
    }

    #[test]
    fn a_load_that_fails_takes_nothing_from_one_that_was_faster() {
        let (states, plugin) = (States::new(8), PluginId::from("kv"));
        let (first, second) = (states.begin(&plugin), states.begin(&plugin));
        second.succeeded(1);
        first.failed("it is loaded already".to_owned());
        assert_eq!(states.all(), [(plugin, State::Online { generation: 1 })]);
    }

    #[test]
    fn of_two_loads_at_the_same_time_one_is_told() {
        let (states, plugin) = (States::new(8), PluginId::from("kv"));
        let mut events = states.events();
        let (first, second) = (states.begin(&plugin), states.begin(&plugin));
        first.succeeded(1);
        second.failed("it is loaded already".to_owned());
        assert_eq!(told(&mut events), [State::Verified, State::Loading, State::Online { generation: 1 }]);
    }
}

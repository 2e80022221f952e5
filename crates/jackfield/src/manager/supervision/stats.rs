//! The figures of a plugin.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::breaker::Circuit;
use crate::manager::lifecycle::{Manager, Shared};
use crate::registry::{GetError, PluginId};

/// What was counted of a plugin since it was loaded, through all its generations.
///
/// Calls into this process are counted on the thread that makes them, which costs about a nanosecond; they are not among
/// those [in flight](Self::in_flight), and of 1,024 of a thread the time of one is taken. Where something holds them, such as
/// [`Limits`](crate::Limits), they are counted as calls to another process. Calls of objects that a plugin
/// gave or was given are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The calls that were asked for.
    pub calls: u64,
    /// Whether the plugin is called, if it was loaded with a [`Breaker`](crate::Breaker).
    pub circuit: Option<Circuit>,
    /// Those of them that got no answer ([`Error::Call`](crate::Error::Call)). One that its caller gave up before its
    /// deadline is not among them, nor is one whose answer cannot be decoded.
    pub errors: u64,
    /// Those of them that the plugin answered with an error of its own ([`Error::Plugin`](crate::Error::Plugin)).
    pub failures: u64,
    /// The generation that answers, as [`Handle::generation`](crate::Handle::generation).
    pub generation: u64,
    /// The calls to another process, or through [`Limits`](crate::Limits), that have begun and not ended. One whose answer is a
    /// stream ends with the stream.
    pub in_flight: u64,
    /// How many bytes of the plugin's process are in memory, where there is one and the system tells of it (Linux).
    pub memory: Option<u64>,
    /// How long half of the answers took at most, within 3 %; nothing if there was no answer. The answer that is a stream
    /// is there when the stream begins.
    pub p50: Option<Duration>,
    /// How long 99 of 100 answers took at most, in the same way.
    pub p99: Option<Duration>,
    /// Those of the errors that never reached the plugin, since as many calls were in flight and waited as its
    /// [`Limits`](crate::Limits) allow, or its circuit was open.
    pub rejected: u64,
    /// How often a plugin of a [watched](Manager::watch) directory was started again after it had ended by itself, whatever
    /// came of it.
    pub restarts: u64,
    /// The calls that wait for one in flight to end.
    pub waiting: u64,
}

impl Manager {
    /// What was counted of the plugin of this name, of the version that serves under it, or of the highest in this range
    /// (`kv@^1`).
    ///
    /// It counts as little as possible while a call is made, and adds up only here.
    ///
    /// ```no_run
    /// # fn example(manager: jackfield::Manager) -> Result<(), jackfield::GetError> {
    /// let stats = manager.stats("kv")?;
    /// println!("{} calls, half of them in {:?}, {} without an answer", stats.calls, stats.p50, stats.errors);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such plugin.
    pub fn stats(&self, name: &str) -> Result<Stats, GetError> {
        self.shared.stats_of(&self.resolve(name)?)
    }

    /// What was counted of each plugin that is loaded, in the order of their names.
    ///
    /// ```
    /// # let manager = jackfield::Manager::new();
    /// for (plugin, stats) in manager.all_stats() {
    ///     println!("{plugin}: {} calls are in flight", stats.in_flight);
    /// }
    /// ```
    pub fn all_stats(&self) -> Vec<(PluginId, Stats)> {
        let names = self.names().into_iter();
        // One that was unloaded meanwhile is left out.
        names.filter_map(|plugin| self.shared.stats_of(&plugin).ok().map(|stats| (plugin, stats))).collect()
    }

    /// What reads figures for as long as somebody else holds the manager.
    pub(crate) fn figures(&self) -> Figures {
        Figures(Arc::downgrade(&self.shared))
    }
}

impl Shared {
    fn stats_of(&self, plugin: &PluginId) -> Result<Stats, GetError> {
        let control = self.registry.find(plugin)?.extra;
        Ok(control.supervisor.stats(control.generation.load(Ordering::Relaxed)))
    }
}

/// Reads the figures of plugins, and does not keep their manager.
pub(crate) struct Figures(Weak<Shared>);

impl Figures {
    /// What was counted of the plugin that is loaded under this very name.
    pub(crate) fn of(&self, plugin: &PluginId) -> Option<Stats> {
        self.0.upgrade()?.stats_of(plugin).ok()
    }
}

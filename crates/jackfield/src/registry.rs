//! What is loaded, by name. Data only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackfield_core::Slot;
use semver::Version;

use crate::version;

/// The name under which a plugin is loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(Arc<str>);

impl PluginId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PluginId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A plugin is not there, or not as what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// The operator has disabled it.
    #[error("the plugin `{plugin}` is disabled\n(hint: `Manager::enable` lets it be loaded again)")]
    Disabled {
        /// The plugin.
        plugin: PluginId,
    },
    /// The plugin implements another interface.
    #[error(
        "the plugin `{plugin}` was loaded as `{found}`, not as this program's `{expected}`
\
         (hint: two versions of one interface crate are two interfaces)"
    )]
    Interface {
        /// The plugin.
        plugin: PluginId,
        /// What was asked for.
        expected: String,
        /// What it was loaded as.
        found: String,
    },
    /// There is no plugin of this name.
    #[error("no plugin `{plugin}` is loaded\n(hint: loaded are {loaded})")]
    Unknown {
        /// The name.
        plugin: PluginId,
        /// The names there are.
        loaded: Names,
    },
}

/// A list of names, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<PluginId>);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_last() {
            None => f.write_str("none"),
            Some((last, rest)) => {
                rest.iter().try_for_each(|name| write!(f, "`{name}`, "))?;
                write!(f, "`{last}`")
            }
        }
    }
}

/// The plugins by name, each with its slot and whatever `E` the manager keeps for it.
#[derive(Debug)]
pub(crate) struct Registry<E> {
    entries: Mutex<BTreeMap<PluginId, Entry<E>>>,
}

/// One plugin.
#[derive(Debug)]
pub(crate) struct Entry<E> {
    pub(crate) slot: Arc<Slot>,
    pub(crate) extra: Arc<E>,
}

impl<E> Clone for Entry<E> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), extra: self.extra.clone() }
    }
}

impl<E> Registry<E> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(BTreeMap::new()) }
    }

    /// The plugin of this name.
    pub(crate) fn find(&self, plugin: &PluginId) -> Result<Entry<E>, GetError> {
        let entry = self.lock().get(plugin).cloned();
        entry.ok_or_else(|| self.unknown(plugin))
    }

    /// That there is no such plugin.
    pub(crate) fn unknown(&self, plugin: &PluginId) -> GetError {
        GetError::Unknown { plugin: plugin.clone(), loaded: Names(self.names()) }
    }

    /// The versions of a plugin, the highest last.
    pub(crate) fn versions(&self, name: &str) -> Vec<(Version, PluginId, Entry<E>)> {
        let entries = self.lock();
        let mut versions: Vec<_> = entries
            .iter()
            .filter_map(|(plugin, entry)| {
                let (_, version) = version::split(plugin.as_str()).filter(|(shared, _)| *shared == name)?;
                Some((version, plugin.clone(), entry.clone()))
            })
            .collect();
        versions.sort_by(|a, b| a.0.cmp(&b.0));
        versions
    }

    /// Adds a plugin under a name that is free.
    pub(crate) fn add(&self, plugin: PluginId, entry: Entry<E>) -> Result<(), Entry<E>> {
        match self.lock().entry(plugin) {
            std::collections::btree_map::Entry::Occupied(_) => Err(entry),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(entry);
                Ok(())
            }
        }
    }

    pub(crate) fn contains(&self, plugin: &PluginId) -> bool {
        self.lock().contains_key(plugin)
    }

    /// Takes a plugin out.
    pub(crate) fn remove(&self, plugin: &PluginId) {
        self.lock().remove(plugin);
    }

    /// The names of all plugins, in order.
    pub(crate) fn names(&self) -> Vec<PluginId> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PluginId, Entry<E>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let names = Names(vec!["a".into(), "b".into()]);
        let error = GetError::Unknown { plugin: "c".into(), loaded: names };
        assert_eq!(error.to_string(), "no plugin `c` is loaded\n(hint: loaded are `a`, `b`)");
    }
}

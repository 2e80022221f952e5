//! What this host does for one library: it takes its log, and knows whose threads are whose.

use std::sync::Arc;

use jackfield_abi::{Host, Thread};
use jackfield_core::log::{self, Level, Record};

use crate::os::Holders;

/// The host of one library.
pub(crate) struct LibraryHost {
    plugin: String,
    holders: Arc<Holders>,
}

impl LibraryHost {
    /// The host of a library that was loaded for the plugin of this name.
    pub(crate) fn new(plugin: &str, holders: Arc<Holders>) -> Self {
        Self { plugin: plugin.to_owned(), holders }
    }
}

impl Host for LibraryHost {
    fn log(&self, record: &Record<'_>) {
        log::emit(&self.plugin, record);
    }

    fn max_level(&self) -> Option<Level> {
        log::max_level()
    }

    fn thread(&self) -> Thread {
        self.holders.calling_thread()
    }
}

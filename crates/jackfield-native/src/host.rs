//! What this host does for one library: it takes its log, and knows whose threads are whose.

use jackfield_abi::{Host, Thread};
use jackfield_core::log::{self, Level, Record};

/// The host of one library.
pub(crate) struct LibraryHost {
    plugin: String,
}

impl LibraryHost {
    /// The host of a library that was loaded for the plugin of this name.
    pub(crate) fn new(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned() }
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
        Thread::default()
    }
}

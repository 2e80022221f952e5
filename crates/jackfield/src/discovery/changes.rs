//! Hears from the host that something in a directory has changed.

use std::fmt;

use tokio::sync::watch;

/// By what a host tells that something in a [`Directory`](crate::Directory) may have changed, where it hears of that itself:
/// from a tool that compares work trees, a message of a server, or the end of its own download. Clones tell the same
/// directories.
///
/// ```no_run
/// # mod kv { use jackfield_core::{interface, Error};
/// #     #[interface(service = "proto.KV", version = "1.0")]
/// #     pub trait Kv { async fn get(&self, key: String) -> Result<String, Error>; } }
/// # use kv::Kv;
/// use jackfield::{Changes, Directory, Manager};
///
/// # fn example(directory: Directory, pulled: std::sync::mpsc::Receiver<()>) -> Result<(), Box<dyn std::error::Error>> {
/// let changes = Changes::new();
/// let manager = Manager::new();
/// let watch = manager.watch::<dyn Kv>(directory.told_by(&changes))?;
/// for _ in pulled {
///     changes.tell();
/// }
/// # drop(watch);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Changes(watch::Sender<()>);

impl Changes {
    /// What tells those directories that are [told by](crate::Directory::told_by) it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells that something may have changed. It returns at once, and from any thread: those directories that are watched
    /// are looked at soon, once for all that was told until then. What is found there has to settle all the same, for
    /// which they are looked at again.
    pub fn tell(&self) {
        self.0.send_replace(());
    }

    /// What hears of changes from now on.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("directories", &self.0.receiver_count()).finish()
    }
}

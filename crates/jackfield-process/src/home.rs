//! Connections that may live on the loader's runtime.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;

use crate::io::IoThread;
use crate::start::{End, tell};
use crate::tasks::Tasks;

/// Where the connection to a plugin lives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Home {
    /// On the backend's thread, where it needs nobody.
    #[default]
    IoThread,
    /// On the runtime in which the plugin is loaded, which wakes no other thread for an answer.
    Loader,
}

impl Home {
    /// The runtime to use. A loader without one, or with one of many threads, of which any may block, gets the backend's.
    pub(crate) fn tasks(self, io: &IoThread) -> Tasks {
        let here = Handle::try_current().ok().filter(|_| matches!(self, Self::Loader));
        match here {
            Some(here) if here.runtime_flavor() == RuntimeFlavor::CurrentThread => {
                let (tasks, run) = Tasks::here();
                here.spawn(run);
                tasks
            }
            Some(_) | None => io.tasks(),
        }
    }
}

/// Whoever drives a connection, and so knows its end. If it is dropped before, with its runtime, the connection is gone too.
pub(crate) struct Teller(pub(crate) watch::Sender<Option<End>>);

impl Teller {
    pub(crate) fn tell(&self, end: End) {
        tell(&self.0, end);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(End::Disconnected);
    }
}

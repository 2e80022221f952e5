//! Connections that may live on the loader's runtime.

use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::StartError;
use crate::io::IoThread;
use crate::start::{End, tell};
use crate::tasks::Tasks;

/// Where the connection to a plugin shall live.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Home {
    /// On the backend's thread, where it needs nobody.
    #[default]
    IoThread,
    /// On the runtime in which the plugin is loaded, which wakes no other thread for an answer.
    Loader,
}

impl Home {
    /// The loader's runtime, if the connection shall live there. Not one of many threads, of which any may block.
    pub(crate) fn here(self) -> Option<Handle> {
        let here = Handle::try_current().ok().filter(|_| matches!(self, Self::Loader));
        here.filter(|here| here.runtime_flavor() == RuntimeFlavor::CurrentThread)
    }
}

/// Where a connection lives: on the loader's runtime, or else on the backend's thread.
///
/// # Errors
/// If the runtime ends, or has no clock.
pub(crate) async fn move_in(home: Option<Handle>, io: &IoThread) -> Result<Tasks, StartError> {
    let Some(home) = home else { return Ok(io.tasks()) };
    // On the thread that drives it.
    let moving = home.spawn(async {
        // This panics where there is no clock.
        drop(sleep(Duration::ZERO));
        let (tasks, run) = Tasks::here();
        tokio::spawn(run);
        tasks
    });
    moving.await.map_err(|_| StartError::NoRuntime)
}

/// Whoever drives a connection, and so knows its end. If it is dropped before, its runtime has ended.
pub(crate) struct Teller(pub(crate) watch::Sender<Option<End>>);

impl Teller {
    pub(crate) fn tell(&self, end: End) {
        tell(&self.0, end);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(End::Abandoned);
    }
}

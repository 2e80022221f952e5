//! What all plugins of one host share: the I/O thread, the mark, the guard, the directory for sockets.

use std::fs;
use std::future::pending;
use std::os::unix::fs::FileTypeExt as _;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use crate::child::{Guard, Mark, ProcessHandle, SocketDirectory, Unstarted};
use crate::error::BackendError;
use crate::handshake::Address;
use crate::io::IoThread;

/// The backend of child processes: a handle, whose clones share one I/O thread and one guard.
///
/// The thread and the guard end with the last clone and the last plugin. Should the host die instead, even
/// of `SIGKILL`, the guard kills what the plugins left and removes their sockets.
#[derive(Debug, Clone)]
pub struct ProcessBackend {
    shared: Arc<Shared>,
}

// The order of the fields is the order of the end: first the guard hears of it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) guard: Guard,
    pub(crate) sockets: SocketDirectory,
    pub(crate) mark: Mark,
    pub(crate) io: IoThread,
}

impl Shared {
    /// Removes the socket of a plugin that was killed and could not do it itself.
    pub(crate) fn remove_socket(&self, address: &Address) {
        let Some(socket) = address.file() else { return };
        if fs::symlink_metadata(socket).is_ok_and(|file| file.file_type().is_socket()) {
            // The plugin may just have removed it.
            let _removed = fs::remove_file(socket);
        }
        self.guard.forget(socket);
    }
}

impl ProcessBackend {
    /// Starts the I/O thread, and the guard beside it.
    ///
    /// A guard that cannot be started is a warning of `tracing`: plugins run without it too.
    ///
    /// # Errors
    /// If the system is out of threads, descriptors or room for the directory.
    pub fn start() -> Result<Self, BackendError> {
        let mark = Mark::host().map_err(BackendError::Mark)?;
        let sockets = SocketDirectory::create().map_err(BackendError::SocketDirectory)?;
        let io = IoThread::start().map_err(BackendError::Thread)?;
        let (guard, unstarted) = Guard::prepare(mark.clone(), sockets.path())?;
        io.keep(guard_life(unstarted));
        Ok(Self { shared: Arc::new(Shared { guard, sockets, mark, io }) })
    }

    /// Sets for how long the I/O thread looks for the next answer before it sleeps, where answers follow each other
    /// quickly; 250 µs otherwise. Zero lets it sleep at once.
    ///
    /// A thread that sleeps has to be woken by the kernel, which on a machine with idle cores takes several times as long as
    /// a small call. In return calls that follow each other within this time keep a core busy on each side, though one that
    /// others on the machine get when they want it; of a cgroup's quota it is used up. A thread that looked in vain looks
    /// less often, and nothing is looked for while nobody calls, nor where this process may use one core only. More than a
    /// second counts as one. The plugin's side of it is [`ServeConfig::busy_poll`](crate::ServeConfig::busy_poll); a program
    /// that is served over its standard input and output has no such setting.
    ///
    /// ```
    /// # fn main() -> Result<(), jackfield_process::BackendError> {
    /// let backend = jackfield_process::ProcessBackend::start()?;
    /// backend.busy_poll(std::time::Duration::ZERO); // for a host that counts its watts
    /// # Ok(())
    /// # }
    /// ```
    pub fn busy_poll(&self, limit: Duration) {
        self.shared.io.busy_poll().set(limit);
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Starts the guard without making a plugin wait for it, and reaps it when its work is done.
async fn guard_life(unstarted: Unstarted) {
    match tokio::task::spawn_blocking(|| unstarted.start()).await {
        Ok(Ok(guard)) => reap(guard).await,
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "no guard: plugins will be left behind if this host is killed");
        }
        Err(error) => tracing::warn!(%error, "the start of the guard was given up"),
    }
}

async fn reap(mut guard: Child) {
    match ProcessHandle::of_child(&guard).and_then(ProcessHandle::watch) {
        Ok(process) => drop(process.readable().await),
        Err(error) => {
            tracing::warn!(%error, "the guard cannot be watched");
            pending::<()>().await;
        }
    }
    if let Err(error) = guard.wait() {
        tracing::debug!(%error, "the guard was reaped by somebody else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_the_thread_stays_awake_is_said_while_it_runs() {
        let backend = ProcessBackend::start().unwrap();
        let limit = || backend.shared.io.busy_poll().limit();
        backend.busy_poll(Duration::from_micros(7));
        assert_eq!(limit(), Duration::from_micros(7));
        backend.busy_poll(Duration::ZERO);
        assert_eq!(limit(), Duration::ZERO);
    }
}

//! Hears when somebody ends this process from outside.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Ends once this process gets `SIGTERM`, which does nothing else after this call. Must be called in a runtime.
///
/// # Errors
/// If the system does not let it hear of signals.
pub(super) fn asked() -> io::Result<impl Future<Output = ()>> {
    let mut terminations = signal(SignalKind::terminate())?;
    Ok(async move {
        insist();
        terminations.recv().await;
    })
}

/// Ends the process ten seconds after the signal, if it has not come to its end by then: a method may block the thread that
/// would.
fn insist() {
    let thread = thread::Builder::new().name("jackfield-end".into());
    let started = thread.spawn(|| {
        if wait().is_some() {
            thread::sleep(PATIENCE);
            std::process::exit(STATUS);
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "only a plugin that is not busy can be ended by a signal");
    }
}

fn wait() -> Option<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
    runtime.block_on(async { signal(SignalKind::terminate()).ok()?.recv().await })
}

const PATIENCE: Duration = Duration::from_secs(10);
/// As a shell has it for a process that a signal ended.
const STATUS: i32 = 128 + 15;

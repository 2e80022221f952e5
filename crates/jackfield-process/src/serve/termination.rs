//! Hears when somebody ends this process from outside.

use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Ends once this process gets `SIGTERM`, which does nothing else after this call than that it says so to `pipe` too, whose
/// other end need not have a runtime. Must be called in one.
///
/// # Errors
/// If the system does not let it hear of signals.
pub(super) fn asked(pipe: OwnedFd) -> io::Result<impl Future<Output = ()>> {
    let mut terminations = signal(SignalKind::terminate())?;
    // Where the pipe is full it has been said.
    let tell = move || {
        let _full = rustix::io::write(&pipe, b"!");
    };
    #[expect(unsafe_code, reason = "what runs in a signal handler")]
    // SAFETY: writing to a descriptor that stays open is what a signal handler may do.
    unsafe { signal_hook_registry::register(Signal::TERM.as_raw(), tell) }?;
    Ok(async move {
        terminations.recv().await;
    })
}

/// Ends the process ten seconds later, if it has not come to its end by then: a method may block the thread that would.
pub(super) fn insist() {
    let thread = thread::Builder::new().name("jackfield-end".into());
    let started = thread.spawn(|| {
        thread::sleep(PATIENCE);
        std::process::exit(STATUS);
    });
    if let Err(error) = started {
        tracing::warn!(%error, "only a plugin that is not busy can be ended by a signal");
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
/// As a shell has it for a process that a signal ended.
const STATUS: i32 = 128 + 15;

//! The signals that end a command which leaves something to put in order.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for a signal that is to end this program, and returns the exit code that then is usual. They are heard as soon
/// as this is called.
pub(super) fn ended() -> io::Result<impl Future<Output = ExitCode>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    Ok(async move {
        let kind = tokio::select! {
            _ = interrupted.recv() => SignalKind::interrupt(),
            _ = terminated.recv() => SignalKind::terminate(),
            _ = hung_up.recv() => SignalKind::hangup(),
        };
        ExitCode::from(128 + kind.as_raw_value() as u8)
    })
}

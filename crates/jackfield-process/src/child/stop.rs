//! Ends a child: waits for it to go by itself, then kills it, then sweeps up.

use std::time::Duration;

use tokio::time::timeout;

use super::supervise::ChildHandle;

/// How a child came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It went by itself in time.
    Graceful,
    /// It had to be killed.
    Killed,
    /// It was killed but is stuck in the kernel; it ends when the kernel lets it.
    Stuck,
}

/// Waits until `patience` is over for a child that was asked to go, then kills it.
///
/// Whoever calls this has asked: the shutdown is a call on the wire, which this room does not know.
pub(crate) async fn stop(child: &ChildHandle, patience: Duration) -> Ending {
    if !child.is_known() {
        // It was asked, which is all that can be done from here.
        return Ending::Graceful;
    }
    let graceful = timeout(patience, child.died()).await.is_ok();
    if !graceful {
        child.kill();
    }
    match timeout(SWEEP, child.swept()).await {
        Ok(()) if graceful => Ending::Graceful,
        Ok(()) => Ending::Killed,
        Err(_) => Ending::Stuck,
    }
}

/// How long the kernel may take to end a killed process and its descendants.
const SWEEP: Duration = Duration::from_secs(5);

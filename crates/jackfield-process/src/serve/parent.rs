//! Notices that the process that started this one is gone.

use std::future::pending;

use crate::child::{Parent, ProcessHandle};

/// The variable by which a host says that the plugin shall go on without it.
pub(crate) const DETACHED: &str = "JACKFIELD_DETACHED";

/// Ends when the parent has ended. Never, where the parent cannot be seen or does not matter.
///
/// The parent is the one at the time of this call, not of the first poll.
pub(super) fn gone() -> impl Future<Output = ()> {
    let parent = match std::env::var_os(DETACHED) {
        Some(_) => Parent::Hidden,
        None => ProcessHandle::of_parent(),
    };
    async {
        let parent = match parent {
            Parent::Alive(parent) => parent.watch(),
            Parent::Gone => return,
            Parent::Hidden => return pending().await,
        };
        match parent {
            Ok(parent) => drop(parent.readable().await),
            Err(error) => {
                tracing::warn!(%error, "the host cannot be watched");
                pending().await
            }
        }
    }
}

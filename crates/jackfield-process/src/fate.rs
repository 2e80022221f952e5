//! What became of the other side, by which a call that broke is explained.

use tokio::sync::watch;
use tokio::time::timeout;

use jackfield_core::CallError;

use crate::child::Death;
use crate::start::{EXIT, End, GRACE};
use crate::tasks::Tasks;

/// What is known of the other side of a connection; clones know the same.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    tasks: Tasks,
    end: Option<watch::Receiver<Option<End>>>,
}

impl Fate {
    /// Of a plugin, whose end comes through `end`.
    pub(crate) fn of_plugin(tasks: Tasks, end: watch::Receiver<Option<End>>) -> Self {
        Self { tasks, end: Some(end) }
    }

    /// Of a host, of which a plugin knows nothing.
    pub(crate) fn of_host(tasks: Tasks) -> Self {
        Self { tasks, end: None }
    }

    /// Ends with the plugin, and says why it can no longer be called.
    pub(crate) async fn ended(&self) -> CallError {
        match self.end.clone() {
            Some(end) => told(end).await,
            None => std::future::pending().await,
        }
    }

    /// Says, by what became of the other side, why a connection broke, of which the wire says only `words`. Any
    /// executor may wait for it.
    pub(crate) async fn why(&self, words: String) -> CallError {
        self.known().await.unwrap_or(CallError::Wire { reason: words })
    }

    /// What became of the other side, if that is known soon after a connection broke.
    pub(crate) async fn known(&self) -> Option<CallError> {
        let end = self.end.clone()?;
        // The clock is that of the connection's own runtime.
        let telling = end.clone();
        let knowing = self.tasks.start(async move { timeout(EXIT + GRACE, told(telling)).await });
        match knowing.await {
            Ok(known) => known.ok(),
            Err(_) => Some(explain(end.borrow().as_ref())),
        }
    }
}

async fn told(mut end: watch::Receiver<Option<End>>) -> CallError {
    match end.wait_for(Option::is_some).await.as_deref() {
        Ok(end) => explain(end.as_ref()),
        Err(_) => unloaded(),
    }
}

fn explain(end: Option<&End>) -> CallError {
    match end {
        Some(End::Died(death)) => exited(death),
        #[cfg(feature = "netrpc")]
        Some(End::Abandoned) => CallError::Closed {
            reason: "the runtime on which the connection to the plugin lived has ended".to_owned(),
        },
        Some(End::Broken(words)) => {
            CallError::Closed { reason: format!("the connection to the plugin had to be given up: {words}") }
        }
        Some(End::Disconnected) => {
            CallError::Closed { reason: "the plugin closed the connection".to_owned() }
        }
        Some(End::Wedged(patience)) => CallError::Closed {
            reason: format!(
                "the plugin was killed: it answered nothing for {patience:?}\n\
                 (hint: a method must not hold up the thread on which the others are answered)"
            ),
        },
        Some(End::Unloaded) | None => unloaded(),
    }
}

fn exited(death: &Death) -> CallError {
    CallError::Exited { status: death.status_text(), words: death.words() }
}

fn unloaded() -> CallError {
    CallError::Closed { reason: "the plugin was unloaded".to_owned() }
}

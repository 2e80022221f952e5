//! What comes of a reload.

use jackfield_core::{LoadError, Step, Unloaded};

use crate::registry::{GetError, PluginId};

/// What became of the plugin that a reload replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Whether every call on the old one had ended before it was unloaded.
    pub is_drained: bool,
    /// What became of it.
    pub old: Unloaded,
}

/// A plugin could not be replaced. The old one goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// A plugin that is watched was not loaded again.
    #[error("the plugin `{plugin}` was not loaded again: {reason}")]
    Again {
        /// The plugin.
        plugin: PluginId,
        /// The step at which it failed, if it was begun.
        step: Option<Step>,
        /// What happened, with its causes.
        reason: String,
    },
    /// There is no such plugin.
    #[error(transparent)]
    Get(#[from] GetError),
    /// The new one cannot be loaded.
    #[error("the new one cannot be loaded; the old one goes on serving")]
    Load(#[from] LoadError),
}

impl ReloadError {
    /// The step of the load at which it failed, if it was begun.
    ///
    /// ```no_run
    /// # async fn example(manager: jackfield::Manager, candidate: &dyn jackfield::Candidate) {
    /// use jackfield::Step;
    ///
    /// if let Err(error) = manager.reload("kv", candidate).await {
    ///     match error.step() {
    ///         Some(Step::Check) => eprintln!("it is another interface than ours"),
    ///         Some(step) => eprintln!("it failed at the step `{step}`"),
    ///         None => eprintln!("there was nothing to replace"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn step(&self) -> Option<Step> {
        match self {
            Self::Again { step, .. } => *step,
            Self::Get(_) => None,
            Self::Load(error) => Some(error.step()),
        }
    }
}

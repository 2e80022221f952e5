//! Under what plugins are loaded.

use super::limits::Limits;
use crate::manager::Manager;

/// Under what a plugin is loaded, and loaded again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) limits: Limits,
}

impl Manager {
    /// The same manager, which loads under these limits. A plugin keeps those under which it was loaded when it is
    /// reloaded, by whichever.
    ///
    /// ```no_run
    /// # use jackfield::{Candidate, Limits, LoadError, Manager};
    /// # mod kv { use jackfield_core::{interface, Error};
    /// #     #[interface(service = "proto.KV", version = "1.0")]
    /// #     pub trait Kv { async fn get(&self, key: String) -> Result<String, Error>; } }
    /// # use kv::Kv;
    /// # async fn example(manager: Manager, candidate: &dyn Candidate) -> Result<(), LoadError> {
    /// let mut one_at_a_time = Limits::default();
    /// (one_at_a_time.calls, one_at_a_time.queue) = (Some(1), 10);
    /// let kv = manager.with_limits(one_at_a_time).load::<dyn Kv>("kv", candidate).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        self.with_policy(Policy { limits })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same manager, which loads under this policy.
    pub(crate) fn with_policy(&self, policy: Policy) -> Self {
        Self { policy, ..self.clone() }
    }
}

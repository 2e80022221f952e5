//! Under what plugins are loaded.

use super::breaker::Breaker;
use super::limits::Limits;
use crate::manager::Manager;

/// Under what a plugin is loaded, and loaded again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) breaker: Option<Breaker>,
    pub(crate) limits: Limits,
    pub(crate) spans: Spans,
}

/// Which calls have a span, where somebody listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spans {
    /// All of them.
    All,
    /// Those that leave this process.
    #[default]
    Elsewhere,
}

impl Policy {
    /// Whether it asks nothing of a call, so that one into this process need not be stopped.
    pub(super) fn is_open(&self) -> bool {
        let Self { breaker, limits, spans } = self;
        let is_limited = limits.calls.is_some() || limits.deadline.is_some();
        breaker.is_none() && !is_limited && *spans == Spans::Elsewhere
    }
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
        self.with_policy(Policy { limits, ..self.policy.clone() })
    }

    /// The same manager, which loads plugins that it calls no more for a while if they do not answer. A plugin keeps this
    /// when it is reloaded, as it does its [limits](Self::with_limits).
    ///
    /// ```
    /// # use jackfield::{Breaker, Manager};
    /// let manager = Manager::new().with_breaker(Breaker::default());
    /// ```
    #[must_use]
    pub fn with_breaker(&self, breaker: Breaker) -> Self {
        self.with_policy(Policy { breaker: Some(breaker), ..self.policy.clone() })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same manager, which loads under this policy.
    pub(crate) fn with_policy(&self, policy: Policy) -> Self {
        Self { policy, ..self.clone() }
    }
}

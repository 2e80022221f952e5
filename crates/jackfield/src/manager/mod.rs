//! The manager: loads, swaps and unloads.

mod builder;
mod control;
mod described;
mod drain;
mod ending;
mod error;
mod lifecycle;
mod list;
mod lookup;
mod orders;
mod states;
mod succession;
mod supervision;
mod timer;
mod versions;
mod watched;

pub use builder::Builder;
pub use error::{ReloadError, Reloaded};
pub use lifecycle::Manager;
pub use supervision::{Breaker, Circuit, Limits, Stats};

pub(crate) use orders::{Desk, Failure, Order};
pub(crate) use supervision::{Figures, Policy};
pub(crate) use watched::Claim;

//! What is known of a plugin's calls, and of the process that answers them.

mod breaker;
mod call;
mod channel;
mod counters;
mod gate;
mod histogram;
mod instance;
mod limits;
mod policy;
mod process;
#[cfg(feature = "metrics")]
mod published;
mod stats;
mod supervisor;

pub use breaker::{Breaker, Circuit};
pub use limits::Limits;
pub(crate) use policy::{Policy, Spans};
pub(crate) use stats::Figures;
pub use stats::Stats;
pub(super) use supervisor::Supervisor;

//! What is known of a plugin's calls, and of the process that answers them.

mod channel;
mod counters;
mod histogram;
mod instance;
mod process;
mod stats;
mod supervisor;

pub(crate) use stats::Figures;
pub use stats::Stats;
pub(super) use supervisor::Supervisor;

//! The manager: loads, swaps and unloads.

mod drain;
mod lifecycle;
mod timer;

pub use lifecycle::{Builder, Manager, ReloadError, Reloaded};

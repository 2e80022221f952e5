//! The manager: loads, swaps and unloads.

mod drain;
mod lifecycle;

pub use lifecycle::{Builder, Manager, ReloadError, Reloaded};

//! What every backend has to do, and what every peer has to understand: see `tests/it`.

pub mod backends;
pub mod lacking;
pub mod mechanisms;

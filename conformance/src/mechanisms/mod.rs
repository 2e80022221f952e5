//! The table of mechanisms: what each way of plugging something in can do, and how it does it.
//!
//! Each cell is what a probe has just found on the real backend. It is kept in `docs/mechanisms.md`.

mod alone;
mod cell;
mod mechanism;
mod planted;
mod probes;
mod table;
mod tap;

pub use self::alone::abort;
pub use self::table::{Table, has};

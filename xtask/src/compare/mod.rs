//! Measures ours and the peers in turn.
//!
//! [`keys`] says what is measured, [`programs`] builds what measures it, [`turns`] runs that round after round, and
//! the rest shows the [`results`].

mod chart;
mod docs;
mod json;
mod keys;
mod machine;
mod options;
mod process;
mod programs;
mod results;
mod sequence;
mod table;
mod turns;

pub(crate) use options::Options;
pub(crate) use sequence::run;

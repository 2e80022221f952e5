//! The few calls that the standard library does not offer, one file per system.

mod linux;

pub(crate) use self::linux::{Parent, ProcessHandle, listens, sealed_executable, send};
pub(super) use self::linux::{limit_memory, write_before_exec};

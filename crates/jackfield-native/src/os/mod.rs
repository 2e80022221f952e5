//! The few calls to the operating system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Sealed, base_of, is_mapped, patch, path_of, thread};

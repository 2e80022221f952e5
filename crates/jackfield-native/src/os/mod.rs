//! The few calls to the operating system, each system's in a file with equal signatures.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(any(target_os = "macos", windows))]
mod private_file;
#[cfg(unix)]
mod unix;
#[cfg(any(target_os = "macos", windows))]
mod unwatched;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use self::linux::{Handle, Memory, View, copy, patch, thread, thread_id, thread_of};
#[cfg(target_os = "macos")]
pub(crate) use self::macos::{Handle, Memory};
#[cfg(any(target_os = "macos", windows))]
pub(crate) use self::private_file::{View, copy};
#[cfg(unix)]
pub(crate) use self::unix::{describe, open};
#[cfg(any(target_os = "macos", windows))]
pub(crate) use self::unwatched::{Holders, Watch};
#[cfg(windows)]
pub(crate) use self::windows::{Handle, Memory, describe, open};
#[cfg(target_os = "linux")]
pub(crate) use crate::thread_locals::{Holders, Watch};

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("jackfield-native supports Linux, macOS and Windows");

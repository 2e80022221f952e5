//! A child process from its spawn to its burial, whatever it speaks on its socket.
//!
//! Every child has one supervisor task on the I/O thread. It alone owns the process and its pipes, drains
//! them for life, notices the death by pidfd and sweeps away what the child left behind.

mod cgroup;
mod crash;
mod executable;
mod guard;
mod log_line;
mod logs;
mod mark;
mod os;
mod pipe;
mod socket_dir;
mod spawn;
mod spawn_error;
mod stop;
mod supervise;

pub use self::executable::Executable;
#[cfg(fuzzing)]
pub(crate) use self::executable::fuzz as fuzz_executable;
pub use self::guard::GuardError;
pub(crate) use self::guard::{Guard, Unstarted};
pub(crate) use self::logs::Logs;
#[cfg(fuzzing)]
pub(crate) use self::logs::fuzz as fuzz_logs;
pub(crate) use self::mark::Mark;
pub(crate) use self::os::{Parent, ProcessHandle, listens, sealed_executable};
pub(crate) use self::socket_dir::{PendingSockets, SocketDirectory, temporary};
#[cfg(feature = "stdio")]
pub(crate) use self::spawn::spawn_talking;
pub(crate) use self::spawn::{Bond, Environment, Launch, spawn};
pub use self::spawn_error::SpawnError;
pub(crate) use self::stop::{Ending, stop};
pub use self::supervise::Death;
pub(crate) use self::supervise::{ChildHandle, FirstLines, Traces, attend, supervise};

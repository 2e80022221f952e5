//! How much may be asked of a plugin at once.

use std::time::Duration;

/// How much may be asked of a plugin at once, and for how long.
///
/// They hold for the calls of each generation for itself. Calls of objects that a plugin gave, or was given, are not limited.
///
/// ```
/// use std::time::Duration;
/// use jackfield::{Limits, Manager};
///
/// let mut limits = Limits::default();
/// limits.calls = Some(8);
/// limits.queue = 100;
/// limits.deadline = Some(Duration::from_secs(30));
/// let manager = Manager::builder().limits(limits).build();
/// ```
///
/// # In this process
///
/// A plugin that is linked in, or in a shared library, is called through a table in a few nanoseconds. Where there is a limit or a
/// deadline for it, its calls are made as those to another process instead, by messages, which takes a microsecond or two;
/// so it is with a [breaker](crate::Breaker), and where all calls [have a span](crate::Builder::trace_all). A queue alone is none.
///
/// A deadline ends what is asynchronous. A method that blocks runs on its caller's thread and is waited for; it finds the
/// deadline by [`CallOptions::current`](crate::CallOptions::current), and what it answers counts.
///
/// # Waiting
///
/// A call that waits in the queue keeps its deadline, and leaves its place when it is given up. They are let through in the
/// order in which they came.
///
/// A blocking call waits on its thread. One that waits on the only thread of a runtime waits in vain for asynchronous calls
/// that this same thread would have to poll; and so does a call that is made while another of the same plugin is answered,
/// by what that one calls back. Give such calls a deadline, or no queue: then they fail at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many calls may be in flight, at least one; by default any number. A call whose answer is a stream is in flight
    /// until the stream ends.
    pub calls: Option<usize>,
    /// How long a call may take that has no deadline of its own; by default for ever. It is not for methods with streams,
    /// which last as long as somebody reads.
    pub deadline: Option<Duration>,
    /// How many calls may wait for one in flight to end; by default none. More fail at once with
    /// [`CallError::Busy`](crate::CallError::Busy).
    pub queue: usize,
}

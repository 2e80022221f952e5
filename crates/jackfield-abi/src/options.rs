//! The options of one call: what the caller says beside its arguments.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, Instant};

use crate::buffer::View;

/// The options of one call: until when it has to be answered, and what goes with it beside its arguments.
///
/// ```
/// use std::time::Duration;
/// use jackfield_abi::CallOptions;
///
/// let options = CallOptions::new().timeout(Duration::from_secs(1)).metadata("request-id", "4711");
/// assert_eq!(options.get("request-id"), Some("4711"));
/// assert!(options.remaining().is_some_and(|left| left <= Duration::from_secs(1)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "options are passed to `Handle::with`"]
pub struct CallOptions {
    deadline: Option<Instant>,
    /// Of this side alone: it does not cross.
    max_message: Option<usize>,
    metadata: Vec<(String, String)>,
}

impl CallOptions {
    /// No deadline, and no metadata.
    pub const fn new() -> Self {
        Self { deadline: None, max_message: None, metadata: Vec::new() }
    }

    /// When the call has to be answered.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How long from now the call may take. A time that no clock can hold is no deadline.
    pub fn timeout(self, timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.deadline(deadline),
            None => self,
        }
    }

    /// How many bytes a message of the call may have, sent or received, in place of what the plugin was loaded with. Of a
    /// stream, that is each item.
    ///
    /// It means something where messages go to another process. A call whose message is larger fails, and only that one.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Adds a pair of texts, such as a request's number or a trace's context. Over gRPC it is a header, so the key is
    /// written in lower case.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// The options of the call that this thread is answering. In a call without options, and outside of any, they are
    /// empty.
    ///
    /// A method that is `async` finds them whenever it is polled; what it spawns does not.
    pub fn current() -> Self {
        // SAFETY: what is set is set by `Scope`, whose options outlive it.
        unsafe { CURRENT.get().as_ref() }.map_or_else(Self::new, RawOptions::receive)
    }

    /// How much time is left, or `None` if there is no deadline.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// When the call has to be answered.
    pub fn expires_at(&self) -> Option<Instant> {
        self.deadline
    }

    /// How many bytes a message may have, if the caller said so.
    pub fn message_limit(&self) -> Option<usize> {
        self.max_message
    }

    /// The first value under `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All keys and values, in the caller's order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Runs code of this program under these options, as a backend does that answers calls from elsewhere.
    pub fn scope<V>(&self, run: impl FnOnce() -> V) -> V {
        self.enter(enter, run)
    }

    /// Runs a call under these options, in the code of the side that `set` belongs to.
    pub(crate) fn enter<V>(&self, set: SetOptions, run: impl FnOnce() -> V) -> V {
        let pairs: Vec<[View; 2]> = self
            .entries()
            .map(|(key, value)| [View::new(key.as_bytes()), View::new(value.as_bytes())])
            .collect();
        let nanoseconds = |left: Duration| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        let raw = RawOptions {
            size: size_of::<RawOptions>(),
            remaining: self.remaining().map_or(u64::MAX, nanoseconds),
            metadata: pairs.as_ptr(),
            count: pairs.len(),
        };
        // SAFETY: `raw` outlives the scope, which ends before this returns, also by a panic.
        let _scope = unsafe { Scope::enter(set, &raw const raw) };
        run()
    }
}

/// Sets the options of the calling thread, and returns what was set before.
pub(crate) type SetOptions = unsafe extern "C" fn(*const RawOptions) -> *const RawOptions;

/// Options in C layout, lent for one call. `size` lets a later version append fields.
#[repr(C)]
pub(crate) struct RawOptions {
    pub(crate) size: usize,
    /// Nanoseconds until the deadline; the largest number if there is none.
    pub(crate) remaining: u64,
    pub(crate) metadata: *const [View; 2],
    pub(crate) count: usize,
}

impl RawOptions {
    fn receive(&self) -> CallOptions {
        // SAFETY: `enter` made both from one vector that is alive during the call.
        let pairs = unsafe { std::slice::from_raw_parts(self.metadata, self.count) };
        // SAFETY: the views are of strings that are alive during the call.
        let text = |view: View| String::from_utf8_lossy(unsafe { view.as_slice() }).into_owned();
        let options = CallOptions {
            deadline: None,
            max_message: None,
            metadata: pairs.iter().map(|[key, value]| (text(*key), text(*value))).collect(),
        };
        match self.remaining {
            u64::MAX => options,
            nanoseconds => options.timeout(Duration::from_nanos(nanoseconds)),
        }
    }
}

impl fmt::Debug for RawOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawOptions").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

/// Sets the options of this thread for as long as it lives.
struct Scope {
    set: SetOptions,
    before: *const RawOptions,
}

impl Scope {
    /// # Safety
    /// The options outlive the scope, and `set` is [`enter`] of a side that stays mapped meanwhile.
    unsafe fn enter(set: SetOptions, options: *const RawOptions) -> Self {
        // SAFETY: passed on.
        Self { set, before: unsafe { set(options) } }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // SAFETY: what was set before is alive for as long as whoever set it runs, which is further up on this stack.
        unsafe { (self.set)(self.before) };
    }
}

/// Sets the options in the code of this side.
pub(crate) unsafe extern "C" fn enter(options: *const RawOptions) -> *const RawOptions {
    CURRENT.replace(options)
}

thread_local! {
    /// Without a destructor on purpose: one that was registered on a host thread would pin the library.
    static CURRENT: Cell<*const RawOptions> = const { Cell::new(std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_inside_their_scope_only() {
        let outer = CallOptions::new().metadata("a", "1");
        let inner = CallOptions::new().timeout(Duration::from_secs(60)).metadata("b", "2").metadata("b", "3");
        outer.scope(|| {
            assert_eq!(CallOptions::current(), outer);
            inner.scope(|| {
                let current = CallOptions::current();
                assert_eq!((current.get("b"), current.entries().count()), (Some("2"), 2));
                assert!(current.remaining().is_some_and(|left| left > Duration::from_secs(50)));
            });
            assert_eq!(CallOptions::current(), outer);
        });
        assert_eq!(CallOptions::current(), CallOptions::new());
    }
}

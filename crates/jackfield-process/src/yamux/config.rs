//! What two ends of a session may choose; both sides need not agree.

use std::time::Duration;

/// Which end of the connection this is: it decides who numbers streams odd and who even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Role {
    /// The end that connected; in go-plugin the host. Its streams are odd.
    Client,
    /// The end that was connected to; in go-plugin the plugin. Its streams are even.
    Server,
}

/// The limits of one end of a session. The defaults are those of Go's library, which go-plugin uses unchanged.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How many streams may wait to be accepted, and how many that were opened to be acknowledged. 256 otherwise.
    pub backlog: usize,
    /// How often the other end is asked whether it is there; never, if `None`. 30 seconds otherwise.
    pub keep_alive: Option<Duration>,
    /// How long the other end may take to answer that. 10 seconds otherwise.
    pub patience: Duration,
    /// How many bytes the other end may send on a stream before they are read; at least 256 KiB, the default.
    pub window: u32,
    /// How long a stream that was opened may go without being accepted, before the *session* is given up. 75 seconds
    /// otherwise.
    pub open_timeout: Duration,
    /// How long the other end may leave a stream open that this end has closed. 5 minutes otherwise.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backlog: 256,
            keep_alive: Some(Duration::from_secs(30)),
            patience: Duration::from_secs(10),
            window: WINDOW,
            open_timeout: Duration::from_secs(75),
            close_timeout: Duration::from_secs(300),
        }
    }
}

/// The window that every stream has at its begin, on both sides.
pub(super) const WINDOW: u32 = 256 * 1024;

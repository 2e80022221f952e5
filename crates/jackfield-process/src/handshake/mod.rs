//! The go-plugin handshake as pure data: nothing in this room spawns, listens or reads the environment.
//!
//! A host passes a cookie and its offers in environment variables ([`env`](mod@env)); the plugin
//! checks the cookie, picks a version ([`negotiate`]) and answers with one line ([`Announcement`]).

mod cookie;
mod env;
mod line;
mod versions;

pub use self::cookie::{CookieError, Handshake};
pub(crate) use self::env::{HostOffer, Multiplexing, MultiplexingOffer, PORTS, PluginOffer, inherited};
pub(crate) use self::line::MAX_LINE;
pub use self::line::{Address, Announcement, HandshakeError, Protocol};
pub(crate) use self::versions::{disagree, negotiate};

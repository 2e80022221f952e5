//! go-plugin's older protocol: net/rpc in streams of yamux, in both roles.
//!
//! TLS, if any, lies around all of it. The host opens three streams, whose order says what they are: control, standard
//! output, standard error. Every further stream, from either side, begins with the number that the two sides agreed on.

mod broker;
mod host;
mod instance;
mod served;

pub(crate) use self::broker::MuxBroker;
pub use self::host::NetRpc;
pub(crate) use self::host::{Wanted, connect};
pub(crate) use self::served::{Dispensers, Hosts, NAME};

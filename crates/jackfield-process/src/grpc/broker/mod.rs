//! Further connections between a host and its plugin, in either direction, found by number.
//!
//! One side serves a number, the other dials it; the number itself crosses in a call of the application's. The
//! two sides tell each other over one stream, [`ConnInfo`](super::generated::go_plugin::ConnInfo) by `ConnInfo`,
//! where they listen.

mod error;
mod feed;
mod offers;
mod rendezvous;
mod served;

pub use self::error::BrokerError;
pub use self::rendezvous::Broker;
pub(crate) use self::rendezvous::Brokered;
#[cfg(fuzzing)]
pub(crate) use self::rendezvous::fuzz_address;
pub use self::served::Served;

//! An interface over net/rpc: what the core says in protobuf, said as Go says it.
//!
//! The core gives and takes whole messages. Between those and Go's values stands [`Loose`], a value of which only the
//! peer knows the type: what comes is read as such and then fitted to the schema, so that a Go plugin may answer with
//! an `int` where the interface says `u32`, or take its arguments as a map.

mod channel;
mod check;
mod fit;
mod go_name;
mod item;
mod loose;
mod objects;
mod outgoing;
pub(crate) mod saving;
mod service;

pub(crate) use self::channel::Pulse;
#[cfg(feature = "stdio")]
pub(crate) use self::channel::{Line, RpcChannel};
pub use self::check::Unfit;
pub(crate) use self::check::{Carrier, Misfits, known};
#[cfg(feature = "stdio")]
pub(crate) use self::loose::Loose;
pub(crate) use self::objects::{Brokerage, Exchange};
pub(crate) use self::outgoing::Arguments;
#[cfg(feature = "stdio")]
pub(crate) use self::outgoing::Outgoing;
pub(crate) use self::service::serve;

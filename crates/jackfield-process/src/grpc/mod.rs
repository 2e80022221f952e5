//! gRPC as go-plugin speaks it: one connection, and the wire's own services beside the user's.

mod broker;
mod caller;
mod connect;
mod connection;
pub(crate) mod generated;
#[cfg(test)]
mod golden;
pub(crate) mod headers;
mod http2;
mod limit;
mod message;
mod mux;
mod objects;
mod raw;
mod reflection;
mod session;
pub(crate) mod status;
mod wire_codec;

pub(crate) use self::broker::Brokered;
#[cfg(fuzzing)]
pub(crate) use self::broker::fuzz_address;
pub use self::broker::{Broker, BrokerError, Served};
pub(crate) use self::caller::{Ask, Caller};
pub use self::connect::ConnectError;
pub(crate) use self::connect::{Cutter, Socket, Target, open};
pub(crate) use self::connection::{Connection, GRPC};
pub(crate) use self::http2::Executor;
pub(crate) use self::limit::Limit;
#[cfg(fuzzing)]
pub(crate) use self::message::Splitter;
pub(crate) use self::message::{Frames, Message, MessageStream, framed, read as read_message};
pub(crate) use self::mux::{Door, Mux};
pub use self::raw::GrpcChannel;
pub(crate) use self::reflection::{Reflection, list, reflect};
pub(crate) use self::session::{Asked, Session, shutdown};
pub(crate) use self::wire_codec::WireCodec;

/// The HTTP/2 window of a stream: how much of it waits for a slow reader. A message of a megabyte does not wait for the
/// peer.
pub(crate) const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// As above, for all streams of a connection together: each has its own bound. By it `h2` also decides how many small
/// pieces may wait for slow readers, at 128 bytes of it each, before it gives the connection up.
pub(crate) const CONNECTION_WINDOW: u32 = i32::MAX as u32;
/// The largest piece of a message that is accepted: a megabyte and what is around it, so that such a message is one piece,
/// which need not be put together in a second buffer. A peer may send smaller ones, as Go does.
pub(crate) const MAX_FRAME: u32 = (1024 + 64) * 1024;
/// How much of the answers of one connection waits for the socket.
pub(crate) const SEND_BUFFER: usize = 4 * 1024 * 1024;
/// How long metadata and an error may be together, no less than in grpc-go. By how often it has the size of a piece `h2` also
/// decides in how many pieces they may come, which is 20 here: Go sends 16 KiB in each.
pub(crate) const MAX_HEADERS: u32 = 16 * MAX_FRAME;

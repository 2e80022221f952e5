//! gRPC as go-plugin speaks it: one connection, and the wire's own services beside the user's.

mod broker;
mod connect;
mod connection;
pub(crate) mod generated;
pub(crate) mod headers;
mod message;
mod mux;
mod raw;
mod reflection;
mod session;
pub(crate) mod status;

pub(crate) use self::broker::Brokered;
pub use self::broker::{Broker, BrokerError, Served};
pub use self::connect::ConnectError;
pub(crate) use self::connect::{Cutter, Socket, Target, open};
pub(crate) use self::connection::{Connection, GRPC};
pub(crate) use self::message::{Message, read as read_message};
pub(crate) use self::mux::{Door, Mux};
pub(crate) use self::raw::Fate;
pub use self::raw::GrpcChannel;
pub(crate) use self::reflection::{Reflection, reflect};
pub(crate) use self::session::{Asked, Session, shutdown};

/// HTTP/2 windows that do not make a message of some megabytes wait for the peer.
pub(crate) const STREAM_WINDOW: u32 = 8 * 1024 * 1024;
/// As above, for all streams of a connection together.
pub(crate) const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// The largest piece of a message that is accepted; a peer may send smaller ones, as Go does.
pub(crate) const MAX_FRAME: u32 = 1024 * 1024;
/// How much of the answers of one connection waits for the socket.
pub(crate) const SEND_BUFFER: usize = 4 * 1024 * 1024;
/// The largest message that is accepted, as in Go.
pub(crate) const MAX_MESSAGE: usize = i32::MAX as usize;

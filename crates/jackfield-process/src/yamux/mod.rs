//! Many streams over one connection, as Go's [hashicorp/yamux] multiplexes them.
//!
//! go-plugin speaks it in its net/rpc mode and, on demand, under gRPC. The protocol leaves open *when* a stream is
//! announced and accepted; Go's library does both at once, its peers depend on that, and so this one does it too: a
//! stream that is opened and stays silent appears on the other side, and one that is accepted and stays silent is not
//! given up by the side that opened it.
//!
//! ```
//! use jackfield_process::yamux::{Config, Role, session};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (ours, theirs) = tokio::io::duplex(1024);
//! let (client, client_driver) = session(ours, Role::Client, Config::default());
//! let (server, server_driver) = session(theirs, Role::Server, Config::default());
//! let talk = async {
//!     let mut asks = client.open().await?;
//!     asks.write_all(b"hello").await?;
//!     asks.shutdown().await?;
//!     let mut heard = String::new();
//!     server.accept().await?.read_to_string(&mut heard).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(heard)
//! };
//! let heard = tokio::select! {
//!     heard = talk => heard?,
//!     ended = client_driver => panic!("{ended:?}"),
//!     ended = server_driver => panic!("{ended:?}"),
//! };
//! assert_eq!(heard, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! [`session`] gives a [`Session`], on which streams are opened and accepted from any thread, and its [`Driver`], a
//! future that moves the bytes: somebody has to own and poll it, and the session ends with it.
//!
//! [hashicorp/yamux]: https://github.com/hashicorp/yamux

mod config;
mod driver;
mod entry;
mod error;
mod frame;
mod session;
mod shared;
mod state;
mod stream;
mod timers;

pub use self::config::{Config, Role};
pub use self::driver::{Driver, session};
pub use self::error::{ProtocolError, SessionError};
pub use self::frame::{Flags, Header, Kind};
pub use self::session::Session;
pub use self::stream::Stream;

#[doc(hidden)]
pub use self::state::fuzz;

#[cfg(test)]
mod tests;

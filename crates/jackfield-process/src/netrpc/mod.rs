//! Go's [net/rpc], as client and as server, over any connection.
//!
//! It is the protocol of Go's standard library, of plugins that are older than go-plugin's gRPC, and, in its JSON form,
//! of programs that read a line and write a line. Here a Rust program calls a Go server:
//!
//! ```no_run
//! use gobwire::Gob;
//! use jackfield_process::netrpc::{self, Gobs};
//! use tokio::net::TcpStream;
//!
//! // In Go: type Args struct { A, B int }
//! #[derive(Gob, Default)]
//! struct Args {
//!     a: i64,
//!     b: i64,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (arith, connection) = netrpc::connect(TcpStream::connect("127.0.0.1:1234").await?, Gobs);
//! let answer = async {
//!     let product: i64 = arith.call("Arith.Multiply", &Args { a: 6, b: 7 }).await?;
//!     Ok::<_, netrpc::RpcError>(product)
//! };
//! tokio::select! {
//!     product = answer => println!("{}", product?),
//!     ended = connection => println!("{ended}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! And here it answers one:
//!
//! ```
//! use jackfield_process::netrpc::{self, Json, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new(Json::V1)
//!     .method("Text.Upper", |text: String| async move { Ok::<_, String>(text.to_uppercase()) });
//! let (ours, theirs) = tokio::io::duplex(1024);
//! let (client, connection) = netrpc::connect(theirs, Json::V1);
//! tokio::select! {
//!     answer = client.call::<String>("Text.Upper", "hello") => assert_eq!(answer?, "HELLO"),
//!     ended = connection => panic!("{ended}"),
//!     ended = server.serve(ours) => panic!("{ended:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The nouns
//!
//! A [`Codec`] says how calls look: [`Gobs`], which Go takes unless told otherwise, or [`Json`]. [`connect`] gives a
//! [`Client`], on which any thread may call, and the [`Connection`], a future that reads the answers and has to be
//! polled by somebody. A [`Server`] is a table of methods, which may answer on many connections.
//!
//! With `Gobs`, arguments and results are what `gobwire` encodes and decodes, most of all structs with its `Gob` derive:
//! Go matches their fields by *name*, and its names begin with a capital letter. With `Json`, they are what `serde`
//! does.
//!
//! net/rpc knows no deadline and no cancellation. A call that is given up is answered all the same; the answer is
//! thrown away.
//!
//! [net/rpc]: https://pkg.go.dev/net/rpc

pub(crate) mod binding;
mod client;
mod codec;
mod connection;
mod error;
mod gobs;
mod json;
pub(crate) mod plugin;
mod refusal;
mod scanner;
mod server;

pub use self::binding::Unfit;
pub use self::client::Client;
pub(crate) use self::codec::Bound;
pub use self::codec::{Codec, FromBody, ToBody};
#[cfg(feature = "stdio")]
pub(crate) use self::connection::connect_within;
pub use self::connection::{Connection, connect, connect_halves};
pub use self::error::{BodyError, ProtocolError, RpcError};
pub use self::gobs::Gobs;
pub use self::json::{Json, JsonError};
pub use self::plugin::NetRpc;
pub use self::refusal::Refusal;
pub use self::server::Server;
pub use crate::gob::GobError;

#[doc(hidden)]
pub use self::json::fuzz as fuzz_json;
#[doc(hidden)]
pub use crate::gob::fuzz as fuzz_gob;

#[cfg(test)]
mod golden;
